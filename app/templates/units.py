"""Small questions asked of a row of units: white space at its ends, its text, its literal text encoded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from app.templates.encode import opens_escape, percent_every
from app.templates.fault import TemplateFault
from app.templates.scan import Macro, Source, Unit
from app.templates.values import WHITE_SPACE


def trim(
    units: Sequence[Unit], start: int, end: int, white: Collection[str] = WHITE_SPACE
) -> tuple[int, int]:
    """The bounds without the template's own white space at both ends."""
    start = skip_white(units, start, end, white)
    while start < end and units[end - 1] in white:
        end -= 1
    return start, end


def skip_white(units: Sequence[Unit], start: int, end: int, white: Collection[str] = WHITE_SPACE) -> int:
    """The index of the first unit that is no white space."""
    while start < end and units[start] in white:
        start += 1
    return start


def find(units: Sequence[Unit], chars: Collection[str], start: int, end: int) -> int:
    """The index of the first unit that is one of these characters; `end` when there is none."""
    while start < end and (not isinstance(units[start], str) or units[start] not in chars):
        start += 1
    return start


def runs(units: Sequence[Unit], start: int, end: int) -> Iterator[str | Macro]:
    """The units with neighbouring characters joined to texts."""
    text: list[str] = []
    for unit in units[start:end]:
        if isinstance(unit, str):
            text.append(unit)
            continue
        if text:
            yield "".join(text)
            text = []
        yield unit
    if text:
        yield "".join(text)


def text_of_units(units: Sequence[Unit]) -> str:
    """The units as they were written."""
    return "".join([unit if isinstance(unit, str) else unit.text for unit in units])


def line_and_column(source: Source, start: int, at: int) -> str:
    """Where the unit `at` is, in lines and columns from the unit `start`, as people count."""
    before = source.template[source.offsets[start] : source.offsets[at]]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def refuse_line_break(source: Source, start: int, end: int) -> None:
    """Raise `TemplateFault` for a line break in the link's own text."""
    at = find(source.units, "\r\n", start, end)
    if at < end:
        raise TemplateFault("link", source.offsets[at], "the line breaks inside the link")


def literal(text: str, kept: Collection[str]) -> str:
    """A template's own text: escapes and `kept` stay as written, the rest is percent-encoded."""
    return "".join(
        [
            char if char in kept or (char == "%" and opens_escape(text, index)) else percent_every(char)
            for index, char in enumerate(text)
        ]
    )


def is_macros_alone(units: Sequence[Unit]) -> bool:
    """Whether a value consists of macros, at least one, and white space alone."""
    return any(isinstance(unit, Macro) for unit in units) and all(
        isinstance(unit, Macro) or unit in WHITE_SPACE for unit in units
    )
