"""The demo's table fits its terminal, and where there is none each step is a line, told once."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from app.demo.board import Board, summary, table_of
from app.demo.compare import compare
from app.demo.samples import expected
from app.queries.rows import Listed

_NOW = datetime(2026, 11, 24, tzinfo=UTC)
_LONG = f"unchanged:\x1b[2J the same as request {'0a' * 16}, " + "and so on " * 20


def _rows(reason: str) -> list[Listed]:
    """All rows that are expected."""
    empty: dict[str, Any] = dict.fromkeys(Listed.__slots__, "")
    return [
        Listed(
            **{
                **empty,
                **{"logged_at": _NOW, "outcome": outcome, "reason": reason, "attempt": attempt},
                **{"lead_id": one.lead, "postback_id": one.postback, "event": one.event},
            }
        )
        for one in expected()
        for attempt, outcome in enumerate(one.outcomes, 1)
    ]


def _terminal(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("reason", ["ok", _LONG])
def test_while_it_fills_each_sample_is_one_line_of_the_terminal(width: int, reason: str) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(table_of(compare(expected(), _rows(reason), {}), width, whole=False))
    lines = _printed(console).splitlines()
    assert len(lines) == 1 + len(expected()) < 24
    assert all(len(line) <= width for line in lines)
    for one, line in zip(expected(), lines[1:], strict=True):
        assert line.split()[0] == one.lead
        assert one.about in line
        assert f" {one.outcomes[-1]} " in line


def test_in_the_end_the_whole_reason_is_told_without_control_characters() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(table_of(compare(expected(), _rows(_LONG), {}), 80))
    told = _printed(console)
    assert told.count("so") >= 20 * len(expected())
    assert "\x1b" not in told
    assert "0a0a0a0a…" in told


def test_without_a_terminal_each_step_is_one_line_told_once() -> None:
    console = Console(file=io.StringIO(), width=240)
    rows = _rows("because")
    with Board(console) as board:
        board.show(compare(expected(), rows[:3], {}))
        board.show(compare(expected(), rows, {}))
        board.show(compare(expected(), rows, {}))
    lines = _printed(console).splitlines()
    assert len(lines) == len(set(lines)) == len(rows)
    assert lines[1] == "L-2 altercpa new: retrying, attempt 1: because"


def test_a_terminal_shows_the_table_in_place_and_takes_it_away() -> None:
    console = _terminal(80)
    with Board(console) as board:
        board.show(compare(expected(), [], {}))
        board.show(compare(expected(), _rows("because"), {}))
    assert "\x1b[1A" in _printed(console)  # up, over what it wrote before


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_dumb_terminal_and_no_color_get_lines(environ: dict[str, str]) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, highlight=False, _environ=environ)
    with Board(console) as board:
        board.show(compare(expected(), _rows("because"), {}))
    assert "\x1b[1A" not in _printed(console)
    assert "L-9: rejected" in _printed(console)


def test_what_is_not_as_expected_is_marked_and_not_counted_as_good() -> None:
    rows = _rows("another reason")
    compared = compare(expected(), rows, {})
    console = Console(file=io.StringIO(), width=240)
    console.print(table_of(compared, 240))
    assert _printed(console).count("NOT AS EXPECTED") == len(expected())
    assert summary(compared).startswith(f"0 of {len(expected())} as expected: ")
