"""Questions asked of the postback log: one function, one SQL, one type back.

FINAL: a row that was written twice is shown once. `max_execution_s` is ClickHouse's own limit; a query over
it fails. All raise clickhouse-connect's errors.

A page is found in two steps, because FINAL over a whole table merges all of it: first the places of the
newest rows, of every version, from narrow columns; then FINAL of those alone. A place whose row has a newer
version elsewhere is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from app.queries.filters import FilterFault, Filters, where_log
from app.queries.rows import Listed, Shown

LISTED = ", ".join(field.name for field in fields(Listed))
_CURSOR_PART = re.compile(r"-?[0-9]{1,15}")
_MOST_KEYS = 10_000
_LEAST_BEGIN = 6  # characters of an id
_SHOWN = ", ".join(field.name for field in fields(Shown))
_NEWEST_FIRST = "logged_at DESC, log_partition DESC, log_offset DESC, log_index DESC"
_BEFORE = (
    "logged_at <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC') "  # for the index, which knows no tuples
    "AND (logged_at, log_partition, log_offset, log_index) < "
    "(fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC'), {at_partition:UInt32}, {at_offset:Int64}, "
    "{at_index:UInt32})"
)
_PLACES = (
    "SELECT flow_id, toUnixTimestamp64Milli(requested_at), toUnixTimestamp64Milli(logged_at), log_partition, "
    "log_offset, log_index FROM postback_log"
)
# The set of keys is what the primary index reads by; the span of times is what it finds quickly.
_KEYS = (
    "SELECT key.1, fromUnixTimestamp64Milli(key.2, 'UTC') "
    "FROM (SELECT arrayJoin({keys:Array(Tuple(String, Int64))}) AS key)"
)
_AT_KEYS = (
    "WHERE requested_at BETWEEN fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC') "
    "AND fromUnixTimestamp64Milli({last_ms:Int64}, 'UTC') "
    f"AND (flow_id, requested_at) IN ({_KEYS})"
)


@dataclass(frozen=True)
class Page:
    """Rows, newest first, and the cursor of the next page (None: this is the last)."""

    rows: list[Listed]
    next: str | None


def settings_of(max_execution_s: float | None) -> dict[str, Any]:
    """The settings of a reading query. A row's month is in its key: FINAL need not look across months."""
    limit = {} if max_execution_s is None else {"max_execution_time": max_execution_s}
    return {"do_not_merge_across_partitions_select_final": 1, **limit}


async def list_rows(
    client: Any,
    filters: Filters,
    *,
    limit: int = 50,
    before: str | None = None,
    max_execution_s: float | None = None,
) -> Page:
    """The newest rows that meet the filters; `before` is the cursor of the last row of the page before.

    Raises `FilterFault` for a cursor or tag that is none.
    """
    rows: list[Listed] = []
    while True:
        places = await _places(client, filters, before, limit + 1, max_execution_s)
        rows += await _at(client, places, max_execution_s)
        if len(rows) > limit:
            return Page(rows[:limit], rows[limit - 1].cursor)
        if len(places) <= limit:
            return Page(rows, None)
        before = places[-1].cursor


class _Place(NamedTuple):
    """Where a version of a row lies: in the list, and in the table's order."""

    cursor: str
    flow_id: str
    requested_ms: int
    address: tuple[int, int, int]


async def _places(
    client: Any, filters: Filters, before: str | None, limit: int, max_execution_s: float | None
) -> list[_Place]:
    """The newest versions of rows that meet the filters."""
    also = {} if before is None else {"before": (_BEFORE, _parameters_of(before))}
    where = where_log(filters, also=also)
    result = await client.query(
        f"{_PLACES} {where.sql} ORDER BY {_NEWEST_FIRST} LIMIT {{limit:UInt32}}",
        parameters={**where.parameters, "limit": limit},
        settings=settings_of(max_execution_s),
    )
    return [
        _Place(".".join(map(str, (logged_ms, *address))), flow_id, requested_ms, tuple(address))
        for flow_id, requested_ms, logged_ms, *address in result.result_rows
    ]


async def _at(client: Any, places: Sequence[_Place], max_execution_s: float | None) -> list[Listed]:
    """The rows whose last version lies at one of the places."""
    if not places:
        return []
    keys = {(place.flow_id, place.requested_ms) for place in places}
    result = await client.query(
        f"SELECT {LISTED} FROM postback_log FINAL {_AT_KEYS} ORDER BY {_NEWEST_FIRST}",  # noqa: S608 - likewise
        parameters=_of_keys(keys),
        settings=settings_of(max_execution_s),
    )
    addresses = {place.address for place in places}
    rows = [Listed(*row) for row in result.result_rows]
    return [row for row in rows if (row.log_partition, row.log_offset, row.log_index) in addresses]


def _of_keys(keys: Collection[tuple[str, int]]) -> dict[str, Any]:
    times = [requested_ms for _, requested_ms in keys]
    return {"keys": sorted(keys), "first_ms": min(times), "last_ms": max(times)}


async def _keys(
    client: Any, condition: str, id_: str, max_execution_s: float | None
) -> list[tuple[str, int]]:
    """The keys of all that has this id, by an index of ids, which FINAL could not use alone."""
    result = await client.query(
        f"SELECT DISTINCT flow_id, toUnixTimestamp64Milli(requested_at) FROM postback_log "  # noqa: S608 - fixed pieces
        f"WHERE {condition} ORDER BY 2 DESC LIMIT {_MOST_KEYS}",
        parameters={"id": id_},
        settings=settings_of(max_execution_s),
    )
    return [tuple(row) for row in result.result_rows]


def _parameters_of(cursor: str) -> dict[str, int]:
    parts = cursor.split(".")
    if len(parts) != 4 or not all(map(_CURSOR_PART.fullmatch, parts)):
        raise FilterFault(f"{cursor!r} is no cursor: it comes with the page before")
    return dict(zip(("at_ms", "at_partition", "at_offset", "at_index"), map(int, parts), strict=True))


async def show_request(client: Any, request_id: str, *, max_execution_s: float | None = None) -> list[Shown]:
    """All rows of one request, oldest first: each attempt, and what became of it. Empty: no such request."""
    return await _shown(client, "request_id = {id:String}", request_id, max_execution_s)


async def beginning(client: Any, begin: str, *, max_execution_s: float | None = None) -> list[str]:
    """The id of the request that begins so, as tables show it; none for one of several, or for too few."""
    if len(begin) < _LEAST_BEGIN:
        return []
    sql = (
        "SELECT DISTINCT request_id FROM postback_requests "
        "WHERE startsWith(request_id, {begin:String}) LIMIT 2"
    )
    result = await client.query(sql, parameters={"begin": begin}, settings=settings_of(max_execution_s))
    found = [str(row[0]) for row in result.result_rows]
    return found if len(found) == 1 else []


async def show_row(client: Any, attempt_id: str, *, max_execution_s: float | None = None) -> list[Shown]:
    """The row of one attempt, skip or rejection, by its attempt id."""
    return await _shown(client, "attempt_id = {id:String}", attempt_id, max_execution_s)


async def rows_of_lead(
    client: Any, lead_id: str, *, limit: int = 1000, max_execution_s: float | None = None
) -> list[Listed]:
    """The newest `limit` rows of one lead, in the order in which they came about."""
    rows = await _with_id(client, LISTED, "lead_id = {id:String}", lead_id, limit, max_execution_s)
    return [Listed(*row) for row in rows]


async def _shown(client: Any, condition: str, id_: str, max_execution_s: float | None) -> list[Shown]:
    rows = await _with_id(client, _SHOWN, condition, id_, _MOST_KEYS, max_execution_s)
    return [Shown(*row) for row in rows]


async def _with_id(
    client: Any, columns: str, condition: str, id_: str, limit: int, max_execution_s: float | None
) -> list[Any]:
    """The newest rows that have this id, oldest first."""
    keys = await _keys(client, condition, id_, max_execution_s)
    if not keys:
        return []
    result = await client.query(
        f"SELECT {columns} FROM postback_log FINAL {_AT_KEYS} AND {condition} "  # noqa: S608 - likewise
        f"ORDER BY {_NEWEST_FIRST} LIMIT {{limit:UInt32}}",
        parameters={"id": id_, "limit": limit, **_of_keys(keys)},
        settings=settings_of(max_execution_s),
    )
    return list(reversed(result.result_rows))
