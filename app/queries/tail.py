"""The rows of the log as they come, poll by poll, each once.

A poll reads by keyset in the order in which ClickHouse stored the rows (`stored_at`, its own time of an
insert), from `OVERLAP_MS` before the last poll on: a row can be seen only a while after its `stored_at`, when
its insert is through. What was given already is known by its identity, so that also a row that was stored
twice comes once. Read without FINAL, which would look through whole months each time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from app.queries.filters import Filters, where_log
from app.queries.log import LISTED, settings_of
from app.queries.rows import Listed

OVERLAP_MS = 20_000
POLL_ROWS = 5_000
_MOST_REMEMBERED = 200_000  # more than are stored within the overlap
_STORED = "(stored_at, log_partition, log_offset, log_index)"
_MOMENT = "fromUnixTimestamp64Milli({{{}:Int64}}, 'UTC')"
_SINCE = f"stored_at >= {_MOMENT.format('stored_since_ms')}"  # for the index, which knows no tuples
_BEHIND = (
    f"{_STORED} > ({_MOMENT.format('stored_ms')}, {{partition:UInt32}}, {{offset:Int64}}, {{index:UInt32}})"
)

_Place = tuple[int, int, int, int]


@dataclass
class Tail:
    """How far the log was followed: from which `stored_at` the next poll reads, and what was given."""

    since_ms: int
    _given: dict[tuple[str, int, str], None] = field(default_factory=dict, repr=False)

    def news(self, rows: Iterable[Listed]) -> list[Listed]:
        """Those of the rows that were not given yet; from now on they are."""
        found = {}
        for row in rows:
            if (identity := (row.request_id, row.attempt, row.attempt_id)) not in self._given:
                found[identity] = row
        self._given |= dict.fromkeys(found)
        for identity in list(self._given)[: max(0, len(self._given) - _MOST_REMEMBERED)]:
            del self._given[identity]
        return list(found.values())


async def start_tail(client: Any, filters: Filters, *, max_execution_s: float | None = None) -> Tail:
    """Begin behind what is stored now. Raises `FilterFault` and clickhouse-connect's errors, as `poll`."""
    tail = Tail(await _now_ms(client) - OVERLAP_MS)
    async for _ in poll(client, tail, filters, max_execution_s=max_execution_s):
        pass
    return tail


async def poll(
    client: Any, tail: Tail, filters: Filters, *, max_execution_s: float | None = None
) -> AsyncIterator[list[Listed]]:
    """Yield the rows that are new since the last poll, in pages; what a failed one missed, the next has."""
    polled_ms = await _now_ms(client)
    place: _Place | None = (tail.since_ms, 0, -1, 0)
    while place is not None:
        rows, place = await _page(client, tail.since_ms, place, filters, max_execution_s)
        yield tail.news(rows)
    tail.since_ms = polled_ms - OVERLAP_MS


async def _page(
    client: Any, since_ms: int, place: _Place, filters: Filters, max_execution_s: float | None
) -> tuple[list[Listed], _Place | None]:
    """The rows behind a place, and the place of the last when there may be more."""
    parameters = dict(zip(("stored_ms", "partition", "offset", "index"), place, strict=True))
    where = where_log(
        filters, also={"since": (_SINCE, {"stored_since_ms": since_ms}), "behind": (_BEHIND, parameters)}
    )
    result = await client.query(
        f"SELECT {LISTED}, toUnixTimestamp64Milli(stored_at) FROM postback_log {where.sql} "  # noqa: S608 - fixed pieces, bound values
        f"ORDER BY {_STORED} LIMIT {{limit:UInt32}}",
        parameters={**where.parameters, "limit": POLL_ROWS},
        settings=settings_of(max_execution_s),
    )
    rows = [Listed(*row[:-1]) for row in result.result_rows]
    if len(rows) < POLL_ROWS:
        return rows, None
    last = rows[-1]
    return rows, (result.result_rows[-1][-1], last.log_partition, last.log_offset, last.log_index)


async def _now_ms(client: Any) -> int:
    """ClickHouse's own time."""
    result = await client.query("SELECT toUnixTimestamp64Milli(now64(3))")
    return int(result.result_rows[0][0])
