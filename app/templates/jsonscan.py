"""Read JSON with macros in it: any text inside a string, any scalar outside.

What is read is a template's own text, so every token is kept as it was written. Strict RFC 8259; no deeper
than 64. Recursion is bounded by that depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_DEPTH = 64
WHITE = frozenset(" \t\n\r")

_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_WORDS = ("true", "false", "null")
_DELIMITERS = frozenset(" \t\n\r,]}:")


class JsonBreak(Exception):
    """The text is no JSON: the index of the unit where it breaks, and why."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, word, string or macro: the units from `start` to `end`, quotes included."""

    start: int
    end: int
    kind: str
    """`string`, `macro` or `literal`."""


@dataclass(frozen=True, slots=True)
class Container:
    """An object or array; the items of an object have keys."""

    opening: str
    items: list[tuple[Scalar | None, Node]] = field(default_factory=list)

    @property
    def closing(self) -> str:
        """What ends it."""
        return "}" if self.opening == "{" else "]"


Node = Scalar | Container


def read(units: Sequence[object], start: int, end: int) -> tuple[Node, int]:
    """Read the JSON value that begins at `start`, and the index after it.

    A unit that is no text is a macro. Raises `JsonBreak`.
    """
    return _Reader(units, start, end).value(0)


def is_scalar_word(text: str) -> bool:
    """Whether a text is a JSON number, `true`, `false` or `null`."""
    return text in _WORDS or (text != "" and _end_of_number(text, 0, len(text)) == len(text))


def _end_of_number(units: Sequence[object], at: int, end: int) -> int:
    """The index after the JSON number that begins at `at`; -1 when none does."""

    def digits(at: int) -> int:
        while at < end and units[at] in _DIGITS:
            at += 1
        return at

    if at < end and units[at] == "-":
        at += 1
    first, at = at, digits(at)
    if at == first or (units[first] == "0" and at > first + 1):
        return -1
    if at < end and units[at] == ".":
        first, at = at + 1, digits(at + 1)
        if at == first:
            return -1
    if at < end and units[at] in ("e", "E"):
        at += 1
        if at < end and units[at] in ("+", "-"):
            at += 1
        first, at = at, digits(at)
        if at == first:
            return -1
    return at


class _Reader:
    def __init__(self, units: Sequence[object], at: int, end: int) -> None:
        self.units = units
        self.at = at
        self.end = end

    def peek(self) -> object:
        return self.units[self.at] if self.at < self.end else ""

    def skip_white(self) -> None:
        while self.at < self.end and self.units[self.at] in WHITE:
            self.at += 1

    def broken(self, reason: str, at: int | None = None) -> JsonBreak:
        return JsonBreak(self.at if at is None else at, reason)

    def value(self, depth: int) -> tuple[Node, int]:
        self.skip_white()
        unit = self.peek()
        if unit in ("{", "["):
            return self.container(str(unit), depth + 1), self.at
        start = self.at
        if unit == '"':
            return self.string(), self.at
        if unit == "":
            raise self.broken("it ends where a value is wanted")
        if not isinstance(unit, str):
            self.at += 1
            kind = "macro"
        else:
            self.literal()
            kind = "literal"
        self.no_glue()
        return Scalar(start, self.at, kind), self.at

    def no_glue(self) -> None:
        unit = self.peek()
        if not isinstance(unit, str):
            raise self.broken("a macro is glued to what stands before it; put both into one string")
        if unit and unit not in _DELIMITERS:
            raise self.broken(f"{unit} is not wanted right after a value")

    def literal(self) -> None:
        for word in _WORDS:
            if list(self.units[self.at : min(self.at + len(word), self.end)]) == list(word):
                self.at += len(word)
                return
        end = _end_of_number(self.units, self.at, self.end)
        if end < 0:
            raise self.broken(f"a value is wanted, {self.peek()} is none")
        self.at = end

    def string(self) -> Scalar:
        start = self.at
        self.at += 1
        while (unit := self.peek()) != '"':
            if unit == "":
                raise self.broken("a string is not closed", start)
            if unit == "\\":
                self.escape()
            elif isinstance(unit, str) and unit < " ":
                raise self.broken(
                    "a line break or control character stands inside a string; write it as an escape"
                )
            self.at += 1
        self.at += 1
        return Scalar(start, self.at, "string")

    def escape(self) -> None:
        """Read from the `\\` to the last character of the escape."""
        self.at += 1
        unit = self.peek()
        if unit == "u":
            for _ in range(4):
                self.at += 1
                if self.peek() not in _HEX:
                    raise self.broken("four hex digits are wanted after \\u")
        elif unit == "" or not isinstance(unit, str) or unit not in '"\\/bfnrt':
            raise self.broken("this is no escape of JSON")

    def container(self, opening: str, depth: int) -> Container:
        if depth > MAX_DEPTH:
            raise self.broken(f"it is nested deeper than {MAX_DEPTH}")
        found = Container(opening)
        self.at += 1
        self.skip_white()
        if self.peek() == found.closing:
            self.at += 1
            return found
        while True:
            key = self.key() if opening == "{" else None
            found.items.append((key, self.value(depth)[0]))
            self.skip_white()
            unit = self.peek()
            self.at += 1
            if unit == found.closing:
                return found
            if unit != ",":
                raise self.broken(f"a comma or {found.closing} is wanted", self.at - 1)

    def key(self) -> Scalar:
        self.skip_white()
        if self.peek() != '"':
            raise self.broken("a name in quotes is wanted")
        key = self.string()
        self.skip_white()
        if self.peek() != ":":
            raise self.broken("a colon is wanted")
        self.at += 1
        return key
