"""The texts of a template's rendering: those of its holes, encoded, and its own.

All holes are read by one generated function and encoded place by place, in one go where the encoding allows
it. A rendering is a pick of indexes from the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from app.templates.encode import EncodeMany
from app.templates.facts import Facts, reading
from app.templates.hole import NAMES, Hole
from app.templates.ops import Op, Piece, bind, emit, joined
from app.templates.segments import Segment, segment_of_slot
from app.templates.text import Slot, Text

Pick = Callable[[Sequence[Any]], Sequence[Any]]


class PoolInMaking:
    """Collects what a template's parts are made of."""

    def __init__(self) -> None:
        self._holes: list[Hole] = []
        self._numbers: dict[object, int] = {}
        self._fixed: list[str | Slot] = []

    def index(self, op: str | Slot | Hole) -> int:
        """The index of a text, slot or hole; that of a hole is its number among the holes too.

        What is fixed is counted from the end of the pool, where the number of holes does not matter.
        """
        key: object = op.key if isinstance(op, Hole) else op
        at = self._numbers.get(key)
        if at is None:
            if isinstance(op, Hole):
                at = len(self._holes)
                self._holes.append(op)
            else:
                self._fixed.append(op)
                at = -len(self._fixed)
            self._numbers[key] = at
        return at

    def made(self) -> Pool:
        """The pool."""
        return Pool(self._holes, self._fixed[::-1])


class Pool:
    """Reads the holes of a template and encodes them."""

    __slots__ = ("_asked", "_encode", "_groups", "_macros", "_read", "fixed", "stand_ins", "volatile")

    def __init__(self, holes: Sequence[Hole], fixed: Sequence[Piece]) -> None:
        asked = [hole.text for hole in holes if not isinstance(hole.text, str)]
        texts = [
            f"({hole.text})" if isinstance(hole.text, str) else f"asked[{asked.index(hole.text)}](facts)"
            for hole in holes
        ]
        self._read = reading(f"[{', '.join(texts)}]", **NAMES)
        self._asked = tuple(asked)
        self._macros = [hole.key[0] for hole in holes]
        self._groups = _groups(holes)
        self._encode = self._groups[0][1] if len(self._groups) == 1 else None
        self.fixed = list(fixed)
        self.stand_ins = [
            (at - len(fixed), _stand_in(piece)) for at, piece in enumerate(fixed) if isinstance(piece, Slot)
        ]
        self.volatile = tuple(at for at, hole in enumerate(holes) if hole.volatile)

    def segments(self, facts: Facts) -> tuple[list[str], list[Segment]]:
        """The texts of the holes before they are encoded, and the pool as segments.

        Raises `TemplateFault`.
        """
        raw, encoded = self.texts(facts)
        found = [
            Segment(text, macro, not before)
            for text, macro, before in zip(encoded, self._macros, raw, strict=True)
        ]
        fixed = [
            segment_of_slot(piece) if isinstance(piece, Slot) else Segment(piece) for piece in self.fixed
        ]
        return raw, found + fixed

    def texts(self, facts: Facts) -> tuple[list[str], list[str]]:
        """The texts of the holes before and after they are encoded. Raises `TemplateFault`."""
        raw = self._read(facts, self._asked)
        if self._encode is not None:
            return raw, self._encode(raw)
        encoded = raw[:]
        for numbers, encode in self._groups:
            for number, text in zip(numbers, encode([raw[number] for number in numbers]), strict=True):
                encoded[number] = text
        return raw, encoded


def _groups(holes: Sequence[Hole]) -> list[tuple[list[int], EncodeMany]]:
    """The numbers of the holes that are encoded alike, and how."""
    numbers: dict[EncodeMany, list[int]] = {}
    for number, hole in enumerate(holes):
        numbers.setdefault(hole.encode, []).append(number)
    return [(some, encode) for encode, some in numbers.items()]


def _pick(numbers: Sequence[int]) -> Pick:
    if len(numbers) > 1:
        return itemgetter(*numbers)
    return lambda texts: [texts[number] for number in numbers]


def _stand_in(slot: Slot) -> str:
    return f"\1{slot.place} {slot.secret}{slot.filters}\1"


class Row:
    """A part of a template, bound to its pool; `is_fixed` is whether nothing may be left out of it."""

    __slots__ = ("_bound", "_pick", "is_fixed")

    def __init__(self, ops: Iterable[Op], making: PoolInMaking) -> None:
        self._bound = bind(ops, making)
        fixed = [part for part in self._bound if isinstance(part, tuple)]
        self.is_fixed = len(fixed) == len(self._bound)
        self._pick = _pick(fixed[0] if fixed else ()) if self.is_fixed else None

    def text(self, raw: Sequence[str], pool: Sequence[Piece]) -> Text:
        """The rendered text, from the pool; `raw` are the texts of its holes before they were encoded."""
        pieces = self.pieces(raw, pool) if self._pick is None else self._pick(pool)
        try:
            return "".join(pieces)
        except TypeError:  # a slot is among them
            return joined(pieces)

    def pieces(self, raw: Sequence[str], pool: Sequence[Any]) -> Sequence[Any]:
        """The same in pieces; those of a pool of parts are parts."""
        if self._pick is not None:
            return self._pick(pool)
        out: list[int] = []
        emit(self._bound, raw, pool, out)
        return [pool[index] for index in out]
