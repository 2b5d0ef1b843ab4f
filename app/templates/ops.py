"""The flat program that a part of a template compiles to, and how it runs.

An op is a text, a slot, a function from facts to a text, or, where what is sent depends on what is missing,
an `Emitter`. Neighbouring texts are one op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Protocol

from app.templates.facts import Facts
from app.templates.hole import Hole, Volatile
from app.templates.text import Slot, Text

Piece = str | Slot


class Emitter(Protocol):
    """A part of a program that may leave things out.

    `moody` is whether that may depend on a volatile macro.
    """

    @property
    def moody(self) -> bool: ...

    def emit(self, facts: Facts, out: list[Piece], constant: bool) -> bool:
        """Append what is sent, and say whether it stays; what does not is taken back by the caller.

        With `constant` a volatile macro has a value: that is what a fingerprint takes it for.
        """


Op = str | Slot | Callable[[Facts], str] | Emitter


def run(ops: Sequence[Op], facts: Facts, out: list[Piece], constant: bool) -> None:
    """Append to `out` what the ops make of the facts."""
    for op in ops:
        kind = op.__class__
        if kind is str or kind is Slot:
            out.append(op)  # type: ignore[arg-type]
        elif kind is FunctionType:
            out.append(op(facts))  # type: ignore[operator]
        else:
            op.emit(facts, out, constant)  # type: ignore[union-attr]


def joined(pieces: list[Piece]) -> Text:
    """The pieces as rendered text."""
    try:
        return "".join(pieces)  # type: ignore[arg-type]
    except TypeError:  # a slot is among them
        pass
    text: list[str | Slot] = []
    for piece in pieces:
        if text and isinstance(piece, str) and isinstance(last := text[-1], str):
            text[-1] = last + piece
        elif piece != "":
            text.append(str(piece) if isinstance(piece, str) else piece)
    return text


def op_of(hole: Hole | Slot) -> Op:
    """The op of a macro on whose value nothing depends."""
    return hole if isinstance(hole, Slot) else hole.op


def is_moody(ops: Iterable[Op]) -> bool:
    """Whether what the ops leave out may depend on a volatile macro."""
    return any(op.moody for op in ops if not isinstance(op, str | Slot) and not callable(op))


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

    __slots__ = ("after", "moody", "parts")

    def __init__(self, pieces: Iterable[str | Hole]) -> None:
        self.parts: list[tuple[str, Hole]] = []
        self.after = ""
        for piece in pieces:
            if isinstance(piece, str):
                self.after += piece
            else:
                self.parts.append((self.after, piece))
                self.after = ""
        self.moody = any(hole.volatile for _, hole in self.parts)

    def emit(self, facts: Facts, out: list[Piece], constant: bool) -> bool:
        """Append the value; False, and nothing, when it is missing."""
        written: list[Piece] = []
        there = False
        for before, hole in self.parts:
            value = hole.value(facts)
            there = there or not hole.is_missing(value) or (constant and hole.volatile)
            text = hole.write(value)
            written += (before, Volatile(text) if hole.volatile else text)
        if there:
            out += written
            out.append(self.after)
        return there


def omittable(pieces: Sequence[str | Hole | Slot]) -> list[Op] | Omittable:
    """The value of these pieces; a secret in it is never missing."""
    if any(isinstance(piece, Slot) for piece in pieces):
        ops = OpList()
        ops.extend(piece if isinstance(piece, str) else op_of(piece) for piece in pieces)
        return ops.ops
    return Omittable(piece for piece in pieces if not isinstance(piece, Slot))
