"""Tables for people: as wide as the terminal, never wrapped; whole where there is no terminal.

What does not fit is cut at its end. What cannot be cut to something readable goes, the column of the highest
`rank` first, and a last line on standard error says which columns are gone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.printing import console, printable

_GAP = 2
_COLOURS = {
    **{"delivered": "green", "enabled": "green", "retrying": "yellow", "parked": "yellow"},
    **{"failed": "red", "blocked": "red", "rejected": "red", "discarded": "red"},
    **{"skipped": "dim", "disabled": "dim"},
}


def colour_of(word: str) -> str:
    """The colour of a word that says how it went; empty for any other."""
    return _COLOURS.get(word, "")


@dataclass(frozen=True)
class Column:
    """A column: `least` characters of it can still be read (0: it is never cut); `rank` 0 never goes."""

    name: str
    rank: int = 0
    least: int = 0
    right: bool = False


def fitted(columns: Sequence[Column], natural: Sequence[int], width: int) -> dict[str, int]:
    """The widths of the columns that stay, by their names, given what each would take.

    The widest is cut first. The result is wider than `width` only if columns that never go are.
    """
    kept = list(range(len(columns)))
    while True:
        widths = {at: natural[at] for at in kept}
        spare = width - sum(widths.values()) - _GAP * (len(kept) - 1)
        while spare < 0 and (
            cut := [at for at in kept if columns[at].least and _excess(columns, widths, at)]
        ):
            at = max(cut, key=lambda at: widths[at])
            widths[at] -= 1
            spare += 1
        leaving = [at for at in kept if columns[at].rank]
        if spare >= 0 or not leaving:
            return {columns[at].name: widths[at] for at in kept}
        kept.remove(max(leaving, key=lambda at: columns[at].rank))


def _excess(columns: Sequence[Column], widths: Mapping[int, int], at: int) -> bool:
    return widths[at] > max(columns[at].least, len(columns[at].name))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of texts, whatever is in them; a column that may go and has no text is left out."""
    from rich.cells import cell_len

    texts = [[printable(cell) for cell in row] for row in rows]
    used = [at for at, column in enumerate(columns) if not column.rank or any(row[at] for row in texts)]
    shown = [columns[at] for at in used]
    natural = [max(map(cell_len, (columns[at].name, *(row[at] for row in texts)))) for at in used]
    is_terminal = sys.stdout.isatty()
    whole = sum(natural) + _GAP * len(natural)
    widths = fitted(shown, natural, console().width if is_terminal else whole)
    console(whole).print(_table(shown, widths, [[row[at] for at in used] for row in texts]))
    if is_terminal and (gone := [column.name for column in shown if column.name not in widths]):
        print(f"left out, the terminal is narrow: {', '.join(gone)}", file=sys.stderr)


def _table(columns: Sequence[Column], widths: Mapping[str, int], rows: Sequence[Sequence[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    stays = [at for at, column in enumerate(columns) if column.name in widths]
    for at in stays:
        column = columns[at]
        table.add_column(
            column.name,
            width=widths[column.name],
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(row[at], style=colour_of(row[at])) for at in stays))
    return table
