"""Rows as columns, in the order of their table. Pure.

Every value is made to fit its column here, so that ClickHouse has no reason to refuse a row: times are put
into what DateTime64 holds, a price that Decimal(18,6) cannot hold is null. Times are Unix milliseconds,
prices millionths, as the columns hold them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

from app.log.rows import Rows
from app.log.tables import Table
from app.messages.request import Tags

Column = Sequence[Any]

_FIRST_MS = -2_208_988_800_000  # 1900-01-01, ClickHouse: DateTime64
_LAST_MS = 10_413_791_999_999  # 2299-12-31 23:59:59.999
_PRICE_LIMIT = 1e12
_MILLIONTH = Decimal("0.000001")


def columns_of(table: Table, rows: Rows) -> list[Column]:
    """The columns of rows of a table."""
    return [_MADE[name](rows) if name in _MADE else _field(name)(rows) for name in table.columns]


def _field(path: str) -> Callable[[Rows], Column]:
    get = attrgetter(path)
    return lambda rows: list(map(get, rows.values))


def _times(name: str) -> Callable[[Rows], Column]:
    field = _field(name)
    return lambda rows: times_of(field(rows))


def _tag(name: str) -> Callable[[Rows], Column]:
    field = _field(f"tags.{name}")
    return lambda rows: [text or "" for text in field(rows)]


def _partition(rows: Rows) -> Column:
    return [rows.partition] * len(rows)


def _offset(rows: Rows) -> Column:
    return rows.offsets


def times_of(times: Sequence[int | None]) -> Sequence[int | None]:
    """Times that DateTime64(3) can hold: one before 1900 or after 2299 becomes that end."""
    told = [time for time in times if time is not None]
    if not told or (min(told) >= _FIRST_MS and max(told) <= _LAST_MS):
        return times
    return [None if time is None else min(max(time, _FIRST_MS), _LAST_MS) for time in times]


@lru_cache(4096)
def millionths_of(price: float | None) -> int | None:
    """A price in millionths, half to even; None for one that Decimal(18,6) cannot hold."""
    if price is None or not math.isfinite(price) or abs(price) >= _PRICE_LIMIT:
        return None
    return int(Decimal(repr(price)).quantize(_MILLIONTH).scaleb(6))


_MADE: dict[str, Callable[[Rows], Column]] = {
    **{name: _times(name) for name in ("logged_at", "requested_at", "next_attempt_at", "recorded_at")},
    **{name: _tag(name) for name in Tags.__struct_fields__},
    "attempts": lambda rows: [value.attempts or value.attempt for value in rows.values],
    "price": lambda rows: list(map(millionths_of, map(attrgetter("price"), rows.values))),
    "request_partition": _field("source.partition"),
    "request_offset": _field("source.offset"),
    "request_index": _field("source.index"),
    **dict.fromkeys(("partition", "log_partition"), _partition),
    **dict.fromkeys(("offset", "log_offset"), _offset),
    "log_index": lambda rows: rows.indexes,
}
