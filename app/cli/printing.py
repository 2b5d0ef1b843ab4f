"""How answers are printed: tables for people, one JSON object a line for programs.

Text from leads, receivers and configs is shown with its control characters made visible: it must not move
the cursor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer

_WIDTH_OF_A_PIPE = 240

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


def console() -> Any:
    """Where tables go: as wide as the terminal, and wide where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def visible(text: str) -> str:
    """A text without control characters and rich's markup."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))
