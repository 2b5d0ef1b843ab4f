"""Compare what was expected with what came about: the rows of the log, and what the receiver has. Pure.

One line for each lead, postback and event. A line that is not whole yet is no fault: its rows may be on
their way. What the receiver says is asked once the rows are there, because a row is written after its send.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.demo.arrival import Arrival
from app.demo.samples import Expected
from app.queries.rows import Listed

_KINDS = {"retrying": "a retry", "skipped": "a skip", "failed": "a final failure"}


@dataclass(frozen=True)
class Line:
    """One lead, postback and event: what was expected, its rows so far (oldest first), what is wrong."""

    expected: Expected
    rows: tuple[Listed, ...]
    faults: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all its rows have come."""
        return len(self.rows) >= len(self.expected.outcomes)


@dataclass(frozen=True)
class Compared:
    """The lines in the order of what is expected, and what is wrong beside them."""

    lines: tuple[Line, ...]
    faults: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all rows have come."""
        return all(line.is_whole for line in self.lines)

    def wrong(self) -> list[str]:
        """Everything that is not as expected, or is missing still; empty when all is well."""
        return [text for line in self.lines for text in _told(line)] + list(self.faults)


def compare(
    expected: Sequence[Expected], rows: Sequence[Listed], arrivals: Mapping[str, Arrival]
) -> Compared:
    """Put rows and arrivals (by request id) to what was expected."""
    groups: dict[tuple[str, str, str], list[Listed]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.logged_at, row.attempt)):
        groups[row.lead_id, row.postback_id, row.event].append(row)
    lines = tuple(_line(one, groups.pop(one.key, []), arrivals) for one in expected)
    return Compared(lines, (*_strangers(groups), *_beside(lines, rows, arrivals)))


def _name(lead: str, postback: str, event: str) -> str:
    return " ".join(part for part in (lead, postback, event) if part)


def _line(expected: Expected, rows: list[Listed], arrivals: Mapping[str, Arrival]) -> Line:
    seen = tuple(row.outcome for row in rows)
    if seen != expected.outcomes[: len(seen)]:
        return Line(expected, tuple(rows), (f"expected {_list(expected.outcomes)}, got {_list(seen)}",))
    if len(seen) < len(expected.outcomes):
        return Line(expected, tuple(rows), ())
    return Line(expected, tuple(rows), (*_reason(expected, rows[-1]), *_arrived(expected, rows, arrivals)))


def _list(outcomes: Sequence[str]) -> str:
    return " then ".join(outcomes) or "nothing"


def _reason(expected: Expected, last: Listed) -> Iterator[str]:
    if expected.why not in last.reason:
        yield f"expected the reason {expected.why!r}, got {last.reason!r}"


def _arrived(expected: Expected, rows: list[Listed], arrivals: Mapping[str, Arrival]) -> Iterator[str]:
    """What the receiver says against the rows: how often it came, accepted once or never, each field."""
    sends = [row for row in rows if row.attempt]
    if not sends:
        return
    arrival = arrivals.get(sends[0].request_id, Arrival({}))
    answered = sum(row.response_status is not None for row in sends)  # without an answer nobody knows
    accepted = int(expected.outcomes[-1] == "delivered")
    if len({row.request_id for row in sends}) > 1:
        yield "its attempts have different request ids"
    if not answered <= arrival.times <= len(sends):
        yield f"sent {len(sends)} times, arrived {arrival.times} times"
    if arrival.accepted != accepted:
        yield f"the receiver accepted it {arrival.accepted} times, expected {accepted}"
    for name, text in expected.arrives.items():
        if arrival.fields.get(name) != text:
            yield f"the receiver read {name} as {arrival.fields.get(name)!r}, expected {text!r}"


def _strangers(groups: Mapping[tuple[str, str, str], list[Listed]]) -> Iterator[str]:
    for key, rows in groups.items():
        yield f"{_name(*key)}: nothing expected, got {_list([row.outcome for row in rows])}"


def _beside(lines: Sequence[Line], rows: Sequence[Listed], arrivals: Mapping[str, Arrival]) -> Iterator[str]:
    """What no line shows: arrivals without a row, and kinds of rows that a demo must show."""
    if not all(line.is_whole for line in lines):
        return
    known = {row.request_id for row in rows if row.attempt}
    for request_id in sorted(arrivals.keys() - known):
        yield f"request {request_id or '(without an id)'} arrived, and no row says so"
    outcomes = {row.outcome for row in rows}
    for outcome, told in _KINDS.items():
        if outcome not in outcomes:
            yield f"{told} is not among the rows"


def _told(line: Line) -> Iterator[str]:
    name = _name(*line.expected.key)
    if not line.is_whole and not line.faults:
        left = line.expected.outcomes[len(line.rows) :]
        yield f"{name}: {_list(left)} is missing"
    for fault in line.faults:
        yield f"{name}: {fault}"
