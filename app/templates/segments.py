"""A rendered request in parts that say where they come from: what a preview highlights. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.templates.text import Slot, show


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of what is sent. `macro` is the macro as written whose value it is, "" for the template's text.

    `missing` is whether that macro has no value, whatever is sent in its place. A secret is `•••`.
    """

    text: str
    macro: str = ""
    missing: bool = False

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Segmented:
    """A request in parts. `missing` are its macros without a value, also those that were left out."""

    method: str
    link: list[Segment]
    headers: Mapping[str, list[Segment]]
    body: list[Segment] | None
    missing: list[str]


def segment_of_slot(slot: Slot) -> Segment:
    """A secret's part."""
    return Segment(show([slot]), f"{{secret.{slot.secret}{slot.filters}}}")


def tidy(parts: Iterable[Segment]) -> list[Segment]:
    """The same, neighbouring texts of the template joined; a missing value stays, its text may be empty."""
    found: list[Segment] = []
    for part in parts:
        if not part.macro and found and not found[-1].macro:
            found[-1] = Segment(found[-1].text + part.text)
        elif part.macro or part.text:
            found.append(part)
    return found


def text_of(parts: Sequence[Segment]) -> str:
    """What is sent, secrets masked."""
    return "".join([part.text for part in parts])
