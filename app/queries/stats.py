"""The statistics: counts, outcomes and latency by whatever the analyst groups.

They lag behind the log by the view's period (15 s, `0003_postback_stats.sql`); `refresh` counts now.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from app.queries.filters import OUTCOMES, TAGS, FilterFault, Filters, where_stats
from app.queries.log import settings_of
from app.queries.rows import Counted

_GROUPS = {
    "hour": "formatDateTime(hour, '%Y-%m-%dT%H:00:00Z')",
    "day": "toString(toDate(hour))",
    "flow": "flow_id",
    "postback": "postback_id",
    "host": "host",
    **{tag: tag for tag in TAGS},
}
GROUPS = tuple(_GROUPS)
_COUNTS = ", ".join(f"sum({name})" for name in ("rows", "sends", *OUTCOMES))
_QUANTILES = ", ".join(
    f"quantilesTDigestMerge(0.5, 0.95, 0.99)({state})" for state in ("duration_state", "queued_state")
)


async def stats(
    client: Any,
    by: Sequence[str],
    filters: Filters,
    *,
    limit: int = 1000,
    max_execution_s: float | None = None,
) -> list[Counted]:
    """One row for each group of `by` (names of `GROUPS`; none: one row for all there is).

    With `hour` or `day` in it the newest come first, else the largest. Raises `FilterFault` for a group or
    filter that the statistics do not know, and clickhouse-connect's errors.
    """
    for name in by:
        if name not in _GROUPS:
            raise FilterFault(f"cannot group by {name!r}: by {', '.join(GROUPS)}")
    where = where_stats(filters)
    names = ", ".join(_GROUPS[name] for name in by)
    newest = [f"names[{at}] DESC" for at, name in enumerate(by, 1) if name in ("hour", "day")]
    sql = (
        f"SELECT CAST([{names}], 'Array(String)') AS names, {_COUNTS}, {_QUANTILES} "  # noqa: S608 - fixed pieces
        f"FROM {_table(by, filters)} {where.sql} GROUP BY names "
        f"ORDER BY {', '.join([*newest, 'sum(rows) DESC', 'names'])} LIMIT {{limit:UInt32}}"
    )
    result = await client.query(
        sql, parameters={**where.parameters, "limit": limit}, settings=settings_of(max_execution_s)
    )
    return [counted(tuple(by), row) for row in result.result_rows]


def _table(by: Sequence[str], filters: Filters) -> str:
    """Where to count: by tags, or in the table without them, which is far smaller."""
    return "postback_stats" if filters.tags or set(by) & set(TAGS) else "postback_totals"


def counted(by: tuple[str, ...], row: Sequence[Any]) -> Counted:
    """One row of an answer: the values of what is grouped by, the counts, the levels of both latencies."""
    group, *counts, durations, queued = row
    quantiles = [None if math.isnan(value) else value for value in (*durations, *queued)]
    return Counted(dict(zip(by, group, strict=True)), *counts, *quantiles)


async def refresh(client: Any) -> None:
    """Count what is new now, and wait until it is counted."""
    for view in ("postback_stats_refresh", "postback_totals_refresh"):
        await client.command(f"SYSTEM REFRESH VIEW {view}")
        await client.command(f"SYSTEM WAIT VIEW {view}")
