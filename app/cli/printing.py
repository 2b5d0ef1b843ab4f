"""How answers are printed: tables for people, one JSON object a line for programs.

Text from leads, receivers and configs is shown with its control characters made visible: it must not move
the cursor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer

JsonOption = Annotated[bool, typer.Option("--json", help="One object a line.")]


def print_json(rows: Iterable[dict[str, Any]]) -> None:
    """One object a line; times as ISO 8601 in UTC, prices as numbers."""
    for row in rows:
        sys.stdout.buffer.write(orjson.dumps(row, default=_plain, option=orjson.OPT_UTC_Z) + b"\n")
    sys.stdout.buffer.flush()


def _plain(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal; yields what moves it to a count."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def move(count: int) -> None:
            if count % 256 == 0 or count == total:  # each move is drawn under a lock
                bar.update(task, completed=count)

        yield move


def console(width: int | None = None) -> Any:
    """Where people read: in colour on a terminal, unless `NO_COLOR` is set."""
    from rich.console import Console

    return Console(highlight=False, width=width)


def printable(text: str) -> str:
    """A text without control characters: they are shown as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def visible(text: str) -> str:
    """The same where rich reads markup."""
    from rich.markup import escape

    return escape(printable(text))


def moment(at: datetime) -> str:
    """A time to the millisecond; it is in UTC."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def number(value: float | None) -> str:
    """A number for people: nothing for none, no digits behind the point from 1 on."""
    return "" if value is None else f"{value:g}" if value < 1 else f"{value:.0f}"
