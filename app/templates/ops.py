"""What a part of a template compiles to: a row of texts, slots, holes and what may be left out.

A row is bound to a `Pool`, which holds the texts of all parts of a template: then it is a row of indexes, and
a rendering picks what they point at. Neighbouring texts are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from app.templates.hole import Hole
from app.templates.text import Slot, Text

Piece = str | Slot
Emit = Callable[[Sequence[str], Sequence[Piece], list[int]], bool]
"""Append the indexes of what is sent of a part, and say whether it stays: what does not appends nothing.

It is given the texts of the holes before they were encoded, "" for a missing value, and the whole pool.
"""


class Pool(Protocol):
    """Where texts, slots and holes are kept: the same hole is read once."""

    def index(self, op: str | Slot | Hole) -> int:
        """The index of a text, slot or hole; that of a hole is its number among the holes too."""
        ...


class Omitting(Protocol):
    """A part of a row that may leave things out; `moody` is whether a volatile macro may decide on that."""

    @property
    def moody(self) -> bool: ...

    def bind(self, pool: Pool) -> Emit:
        """Bind it to a pool."""
        ...


Op = str | Slot | Hole | Omitting
Bound = tuple[tuple[int, ...] | Emit, ...]
"""A bound row: indexes that stand together, and what may leave things out."""


def bind(ops: Iterable[Op], pool: Pool) -> Bound:
    """Bind a row to a pool."""
    made: list[tuple[int, ...] | Emit] = []
    together: list[int] = []
    for op in ops:
        if isinstance(op, str | Slot | Hole):
            together.append(pool.index(op))
            continue
        if together:
            made.append(tuple(together))
            together = []
        made.append(op.bind(pool))
    return (*made, tuple(together)) if together else tuple(made)


def emit(bound: Bound, raw: Sequence[str], pool: Sequence[Piece], out: list[int]) -> bool:
    """Append the indexes of a bound row; False when a part of it did not stay."""
    stays = True
    for part in bound:
        if isinstance(part, tuple):
            out += part
        elif not part(raw, pool, out):
            stays = False
    return stays


def joined(pieces: Sequence[Piece]) -> Text:
    """Pieces with slots among them as rendered text."""
    text: list[str | Slot] = []
    for piece in pieces:
        if text and isinstance(piece, str) and isinstance(last := text[-1], str):
            text[-1] = last + piece
        elif piece != "":
            text.append(piece)
    return text


def is_moody(ops: Iterable[Op]) -> bool:
    """Whether what the ops leave out may depend on a volatile macro."""
    return any(op.moody for op in ops if not isinstance(op, str | Slot | Hole))


class OpList:
    """Ops in the making: joins neighbouring texts."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def add(self, op: Op) -> None:
        """Append an op; an empty text is none."""
        if isinstance(op, str) and self.ops and isinstance(last := self.ops[-1], str):
            self.ops[-1] = last + op
        elif op != "":
            self.ops.append(op)

    def extend(self, ops: Iterable[Op]) -> None:
        """Append several."""
        for op in ops:
            self.add(op)


class Omittable:
    """A value of macros (and white space) alone, which is left out when all of them are missing."""

    __slots__ = ("moody", "pieces")

    def __init__(self, pieces: Sequence[str | Hole]) -> None:
        self.pieces = pieces
        self.moody = any(isinstance(piece, Hole) and piece.volatile for piece in pieces)

    def bind(self, pool: Pool) -> Emit:
        """Bind it to a pool."""
        indexes = tuple(pool.index(piece) for piece in self.pieces)
        holes = tuple(pool.index(piece) for piece in self.pieces if isinstance(piece, Hole))

        def emit_it(raw: Sequence[str], _: Sequence[Piece], out: list[int]) -> bool:
            for hole in holes:
                if raw[hole]:
                    out += indexes
                    return True
            return False

        return emit_it


def omittable(pieces: Sequence[str | Hole | Slot]) -> list[Op] | Omittable:
    """The value of these pieces; a secret in it is never missing."""
    if any(isinstance(piece, Slot) for piece in pieces):
        ops = OpList()
        ops.extend(pieces)
        return ops.ops
    return Omittable([piece for piece in pieces if not isinstance(piece, Slot)])
