"""Read a network's list of conversions: click ids, statuses, payouts, as CSV in whatever dialect. Pure.

Networks differ in separators, quotes, names of columns, and in how they write numbers; spreadsheets add byte
order marks, a `sep=` line and `'` before what could be a formula. What cannot be read is a bad line with its
reason, and costs no other line.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from sys import intern
from typing import NamedTuple

from app.templates.names import nearest

USUAL: Mapping[str, tuple[str, ...]] = {
    "click": (
        *("click_id", "clickid", "click", "subid", "sub_id", "sub_id_1", "subid1", "sub1", "aff_sub", "s1"),
        *("external_id", "tracking_id", "cid", "transaction_id", "tid", "txid", "uniqid", "hash"),
    ),
    "status": (
        *("status", "conversion_status", "lead_status", "order_status", "state", "stage", "goal_status"),
        *("result", "event", "event_type", "type"),
    ),
    "payout": (
        *("payout", "revenue", "price", "amount", "sum", "commission", "reward", "earnings", "income"),
        *("profit", "cash", "value"),
    ),
}
"""How networks call what is compared, the commonest first; letters and digits count, case does not."""

_SEPARATORS = (",", ";", "\t", "|")
_MOST_LINES = 50  # of one cell that is quoted
_LONGEST_CLICK = 1024  # what a row has of one
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
_AMOUNT = re.compile(r"[^\d+\-.,]*([+-]?[\d.,]*\d)[.,]?[^\d]*")
_BLANKS = re.compile(r"[\s'’]")


class ListFault(ValueError):
    """The list cannot be read at all; the text says why and what to do."""


class Line(NamedTuple):
    """One conversion of the list: the line it begins at (from 1), what it says; None is nothing."""

    line: int
    click: str
    status: str | None
    payout: Decimal | None


class BadLine(NamedTuple):
    """A line that cannot be used, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the list is written: its separator, how many cells it has, where what is compared stands."""

    separator: str
    cells: int
    at: Mapping[str, int]


def read_list(content: bytes, columns: Mapping[str, str]) -> Iterator[Line | BadLine]:
    """The lines of a list. `columns` names columns of it where the usual names are not used.

    Raises `ListFault` when it has no column of click ids, or none of a name that is asked for.
    """
    records = _records(_text(content))
    layout = None
    for number, record in records:
        if layout is None:
            if record.strip() and not record.lower().startswith("sep="):
                layout = _layout(record, columns)
        elif record.strip():
            line = _line(number, record, layout)
            if line is not None:
                yield line
    if layout is None:
        raise ListFault("the list is empty")


def known_click(text: str) -> str:
    """A click id as it is compared: without blanks around it, and without a spreadsheet's `'`."""
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def amount(text: str, *, comma_is_decimal: bool) -> Decimal | None:
    """A number as people write it: `1 234,50`, `1,234.5`, `$12`, `12.50 USD`; None for nothing.

    `comma_is_decimal` decides where one comma could be either (`1,234`). Raises `ValueError`.
    """
    packed = _BLANKS.sub("", text)
    if packed in ("", "-", "–", "—"):
        return None
    found = _AMOUNT.fullmatch(packed)
    if found is None:
        raise ValueError(text)
    number = found[1]
    comma, point = number.rfind(","), number.rfind(".")
    if comma >= 0 and point >= 0:
        decimal = "," if comma > point else "."
    elif number.count(",") + number.count(".") > 1:
        decimal = ""
    else:
        lone_thousands = comma >= 0 and len(number) - comma == 4 and not comma_is_decimal
        decimal = "" if lone_thousands else number[max(comma, point)] if max(comma, point) >= 0 else ""
    whole, _, part = number.rpartition(decimal) if decimal else (number, "", "")
    digits = whole.replace(",", "").replace(".", "")
    return Decimal(f"{digits or '0'}.{part}" if part else digits)


def _text(content: bytes) -> str:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.removeprefix(BOM_UTF8).decode()
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    return text if "\n" in text else text.replace("\r", "\n")


def _records(text: str) -> Iterator[tuple[int, str]]:
    """The records with their first line; a quote that is never closed takes no line but its own."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        end = at + 1
        open_ = lines[at].count('"') % 2
        while open_ and end < min(len(lines), at + _MOST_LINES):
            open_ ^= lines[end].count('"') % 2
            end += 1
        if open_ or (end > at + 1 and not _is_sound("\n".join(lines[at:end]))):
            end = at + 1
        yield at + 1, "\n".join(lines[at:end]).removesuffix("\r")
        at = end


def _is_sound(record: str) -> bool:
    return any(_width(record.removesuffix("\r"), separator) for separator in _SEPARATORS)


def _cells(record: str, separator: str) -> list[str]:
    """Raises `csv.Error`."""
    return next(csv.reader([record], delimiter=separator, strict=True), [])


def _layout(header: str, columns: Mapping[str, str]) -> _Layout:
    separator = max(_SEPARATORS, key=lambda one: _width(header, one))
    try:
        names = _cells(header, separator)
    except csv.Error as error:
        raise ListFault(f"its first line, the names of the columns, cannot be read: {error}") from None
    plain = [_plain(name) for name in names]
    at = {what: place for what in USUAL if (place := _place(what, plain, names, columns)) is not None}
    if "click" not in at:
        shown = ", ".join(names[:12])
        raise ListFault(f"which column holds the click ids? It has {shown}: say --columns click=NAME")
    return _Layout(separator, len(names), at)


def _width(header: str, separator: str) -> int:
    try:
        return len(_cells(header, separator))
    except csv.Error:
        return 0


def _place(what: str, plain: Sequence[str], names: Sequence[str], columns: Mapping[str, str]) -> int | None:
    if what in columns:
        asked = _plain(columns[what])
        if asked not in plain:
            near = nearest(columns[what], list(names))
            raise ListFault(f"the list has no column {columns[what]!r}; did you mean {near}?")
        return plain.index(asked)
    return next((plain.index(_plain(name)) for name in USUAL[what] if _plain(name) in plain), None)


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _line(number: int, record: str, layout: _Layout) -> Line | BadLine | None:
    try:
        cells = _cells(record, layout.separator)
    except csv.Error as error:
        return BadLine(number, f"no CSV: {error}")
    if not any(cell.strip() for cell in cells):
        return None
    while len(cells) > layout.cells and not cells[-1].strip():
        cells.pop()
    if len(cells) != layout.cells:
        return BadLine(number, f"{len(cells)} cells where the first line has {layout.cells}")
    return _said(number, cells, layout)


def _said(number: int, cells: Sequence[str], layout: _Layout) -> Line | BadLine:
    click = known_click(cells[layout.at["click"]])
    if not click:
        return BadLine(number, "no click id")
    if len(click) > _LONGEST_CLICK:
        return BadLine(number, f"a click id of {len(click)} characters: ours have {_LONGEST_CLICK} at most")
    if _ROUNDED.fullmatch(click):
        return BadLine(number, f"click id {click} was rounded by a spreadsheet")
    payout_at, status_at = layout.at.get("payout"), layout.at.get("status")
    try:
        payout = (
            None
            if payout_at is None
            else amount(known_click(cells[payout_at]), comma_is_decimal=layout.separator != ",")
        )
    except ValueError:
        return BadLine(number, f"payout {cells[payout_at or 0]!r} is no number")
    status = None if status_at is None else intern(known_click(cells[status_at]).lower())
    return Line(number, click, status or None, payout)
