"""Lead events as lines of JSON: what each line of a file is, told before anything is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.leads.events import Malformed, decode

_MARK = b"\xef\xbb\xbf"  # some editors begin a UTF-8 file with it


@dataclass(frozen=True, slots=True)
class EventLine:
    """A lead event: its line's number from 1, its ids, and its bytes as they are to be sent."""

    number: int
    event_id: str
    lead_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no lead event; `fault` is its first wrong field and why."""

    number: int
    fault: Malformed


def read_lines(lines: Iterable[bytes]) -> Iterator[EventLine | BadLine]:
    """What each line holds, blank ones left out; a line is checked as JOIN checks a record."""
    for number, line in enumerate(lines, 1):
        value = (line.removeprefix(_MARK) if number == 1 else line).strip()
        if not value:
            continue
        event = decode(value)
        if isinstance(event, Malformed):
            yield BadLine(number, event)
        else:
            yield EventLine(number, event.event_id, event.lead_id, value)
