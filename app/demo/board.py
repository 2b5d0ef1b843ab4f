"""What the demo shows: a table that fills while one looks, or lines where nobody looks, and the sum."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from app.demo.compare import Compared, Line

_COLOURS = {
    "delivered": "green",
    "retrying": "yellow",
    "skipped": "dim",
    "failed": "red",
    "rejected": "red",
}
_COLUMNS = ("lead", "postback", "event", "sample", "outcome", "sends")
_ID = re.compile(r"\b[0-9a-f]{32}\b")
_LEAST_WIDTH = 12
_WIDE = 100


class Board:
    """Shows each state of the comparison: in place on a terminal, else as a line for what has changed."""

    def __init__(self, console: Any) -> None:
        from rich.live import Live

        self._console = console
        self._lines: set[str] = set()
        moves = console.is_terminal and not console.is_dumb_terminal and not console.no_color
        self._live = Live(console=console, transient=True, auto_refresh=False) if moves else None

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, compared: Compared) -> None:
        """Show the state as it is now."""
        if self._live:
            self._live.update(table_of(compared, self._console.width, whole=False), refresh=True)
            return
        for text in _steps(compared):
            if text not in self._lines:
                self._lines.add(text)
                self._console.print(text, markup=False, soft_wrap=True)


def _steps(compared: Compared) -> Iterator[str]:
    for line in compared.lines:
        for row in line.rows:
            name = " ".join(filter(None, line.expected.key))
            attempt = f", attempt {row.attempt}" if row.attempt else ""
            yield f"{name}: {row.outcome}{attempt}: {_visible(row.reason)}"


def table_of(compared: Compared, width: int, *, whole: bool = True) -> Any:
    """A rich table for a terminal of `width`; unless `whole`, each line is one line of it, its reason cut."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    rows = [_cells(line, whole=whole) for line in compared.lines]
    gap = 1 if width < _WIDE else 2
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    taken = 0
    for at, name in enumerate(_COLUMNS):
        column = max(cell_len(text) for text in (name, *(row[at] for row in rows)))
        taken += column + gap
        table.add_column(name, width=column, no_wrap=True, justify="right" if name == "sends" else "left")
    left = max(_LEAST_WIDTH, width - taken)
    table.add_column("why", max_width=left, no_wrap=not whole, overflow="fold" if whole else "ellipsis")
    for row in rows:
        outcome = Text(row[4] or "…", style=_COLOURS.get(row[4], "dim"))
        table.add_row(*map(Text, row[:4]), outcome, *map(Text, row[5:]))
    return table


def _cells(line: Line, *, whole: bool) -> tuple[str, ...]:
    one = line.expected
    last = line.rows[-1] if line.rows else None
    told = [_visible(row.reason) for row in line.rows]
    if not whole:
        told = told[-1:]
    if line.faults:
        told.insert(0, "NOT AS EXPECTED")
    return (
        *(one.lead, one.postback or "–", one.event or "–", one.about),
        last.outcome if last else "",
        str(last.attempt or "") if last else "",
        "; then ".join(told),
    )


def summary(compared: Compared) -> str:
    """How many came to what, in one line."""
    ends = Counter(line.rows[-1].outcome for line in compared.lines if line.rows)
    retried = sum(line.rows[0].outcome == "retrying" for line in compared.lines if line.rows)
    good = sum(line.is_whole and not line.faults for line in compared.lines)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in ends.most_common())
    return f"{good} of {len(compared.lines)} as expected: {counts}; {retried} of them retried"


def _visible(text: str) -> str:
    """A reason without control characters, and with the beginning of an id for all of it."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return _ID.sub(lambda found: f"{found[0][:8]}…", shown)
