"""Questions of the overview: what happened minute by minute, and what needs a person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.queries.log import settings_of

_SINCE = "fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_MOST_DARK = 20
_COUNTS = ", ".join(
    f"uniqExactIf(cityHash64(request_id, attempt, attempt_id), outcome = '{outcome}')"
    for outcome in ("delivered", "retrying", "failed", "skipped")
)
# Without FINAL, which would look through whole months: what was written twice has one identity.
_MINUTES = f"""
    SELECT toStartOfMinute(logged_at) AS minute, {_COUNTS}
    FROM postback_log WHERE logged_at >= {_SINCE} GROUP BY minute ORDER BY minute
"""  # noqa: S608 - fixed pieces
_DARK = f"""
    SELECT host, uniqExactIf(attempt_id, outcome != 'delivered') AS failing, max(logged_at)
    FROM postback_log WHERE logged_at >= {_SINCE} AND attempt > 0 AND host != ''
    GROUP BY host HAVING countIf(outcome = 'delivered') = 0 AND failing > 0
    ORDER BY failing DESC, host LIMIT {_MOST_DARK}
"""  # noqa: S608 - fixed pieces
_PARKED = """
    SELECT flow_id, postback_id, count() FROM postback_requests FINAL
    WHERE flow_id IN {flows:Array(String)} AND outcome = 'parked' GROUP BY flow_id, postback_id
"""


@dataclass(frozen=True, slots=True)
class Minute:
    """What happened in one minute."""

    at: datetime
    delivered: int
    retrying: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Dark:
    """A host that got attempts and took none."""

    host: str
    failing: int
    last_at: datetime


async def minutes(client: Any, since_ms: int, *, max_execution_s: float | None = None) -> list[Minute]:
    """The minutes since then in which anything happened. All here raise clickhouse-connect's errors."""
    return [Minute(*row) for row in await _rows(client, _MINUTES, max_execution_s, since_ms=since_ms)]


async def dark_hosts(client: Any, since_ms: int, *, max_execution_s: float | None = None) -> list[Dark]:
    """The hosts with attempts since then and no delivery, those with most attempts first, 20 at most."""
    return [Dark(*row) for row in await _rows(client, _DARK, max_execution_s, since_ms=since_ms)]


async def parked_counts(
    client: Any, flows: Collection[str], *, max_execution_s: float | None = None
) -> dict[tuple[str, str], int]:
    """How many requests of these flows are parked, by flow and postback."""
    if not flows:
        return {}
    rows = await _rows(client, _PARKED, max_execution_s, flows=sorted(flows))
    return {(flow, postback): count for flow, postback, count in rows}


async def is_empty(client: Any, *, max_execution_s: float | None = None) -> bool:
    """Whether the log has no row yet."""
    return not await _rows(client, "SELECT 1 FROM postback_log LIMIT 1", max_execution_s)


async def _rows(client: Any, sql: str, max_execution_s: float | None, **parameters: Any) -> Any:
    result = await client.query(sql, parameters=parameters, settings=settings_of(max_execution_s))
    return result.result_rows
