"""Rows of the log as files: CSV for spreadsheets, JSON lines for programs. Pure.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end as a formula, and these
cells are strangers' (https://owasp.org/www-community/attacks/CSV_Injection): in CSV such a text has `'`
before it. JSON lines hold every text as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from datetime import UTC, datetime
from decimal import Decimal

import orjson

from app.queries.rows import Listed

COLUMNS = tuple(field.name for field in fields(Listed))
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_head() -> bytes:
    """The first line, after a byte order mark: spreadsheets take the file for Latin-1 without one."""
    return b"\xef\xbb\xbf" + csv_line(COLUMNS)


def csv_lines(rows: Iterable[Listed]) -> bytes:
    """A line for each row."""
    return b"".join(csv_line(astuple(row)) for row in rows)


def json_lines(rows: Iterable[Listed]) -> bytes:
    """An object a line, as `postbacks logs list --json` prints them, without the cursor."""
    return b"".join(orjson.dumps(row, default=_plain, option=orjson.OPT_UTC_Z) + b"\n" for row in rows)


def csv_line(values: Iterable[object]) -> bytes:
    """One line, its values as cells."""
    text = io.StringIO()
    csv.writer(text).writerow(map(_cell, values))
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _plain(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
