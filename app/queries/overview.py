"""Questions of the overview: what happened minute by minute, and what needs a person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.queries.filters import OUTCOMES
from app.queries.log import settings_of
from app.queries.rows import Counted
from app.queries.stats import counted

_SINCE = "fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_MOST_DARK = 20
_MOST_HOSTS = 8
_MOST_FLOWS = 20
_COUNTS = ", ".join(
    f"uniqExactIf(cityHash64(request_id, attempt, attempt_id), outcome = '{outcome}')"
    for outcome in ("delivered", "retrying", "failed", "skipped")
)
# Without FINAL, which would look through whole months: what was written twice has one identity.
_MINUTES = f"""
    SELECT toUnixTimestamp(toStartOfMinute(logged_at)) AS minute, {_COUNTS}
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
# Merging latency states is most of the work: once by host, and for all there is from the hosts' merged ones.
_SUMMED = ("rows", "sends", *OUTCOMES)
_HOURS = f"FROM postback_totals WHERE hour >= toStartOfHour({_SINCE})"
_LEVELS = "quantilesTDigestMerge{}(0.5, 0.95, 0.99)"
_HOSTS = f"""
    SELECT grouping(host) AS is_all, CAST([host], 'Array(String)') AS names,
        {", ".join(f"sum({name})" for name in _SUMMED)},
        {_LEVELS.format("")}(durations) AS duration, {_LEVELS.format("")}(queues)
    FROM
    (
        SELECT host, {", ".join(f"sum({name}) AS {name}" for name in _SUMMED)},
            {_LEVELS.format("State")}(duration_state) AS durations,
            {_LEVELS.format("State")}(queued_state) AS queues
        {_HOURS} GROUP BY host
    )
    GROUP BY GROUPING SETS ((), (host)) HAVING is_all OR (host != '' AND sum(sends) > 0)
    ORDER BY is_all DESC, sum(sends) - sum(delivered) DESC, duration[2] DESC LIMIT {_MOST_HOSTS + 1}
"""  # noqa: S608 - fixed pieces
_STEPS = f"""
    SELECT grouping(flow_id) AS is_step, flow_id, intDiv(toUnixTimestamp(hour), {{step_s:UInt32}}) AS step,
        sum(delivered), sum(retrying), sum(failed), sum(skipped)
    {_HOURS} GROUP BY GROUPING SETS ((flow_id), (step))
    HAVING is_step OR (flow_id != '' AND sum(failed) > 0 AND sum(delivered) = 0)
    ORDER BY is_step DESC, sum(failed) DESC, flow_id
"""


class Step(NamedTuple):
    """What happened in one minute, hour or day; `at_s` is its beginning, in Unix seconds."""

    at_s: int
    delivered: int
    retrying: int
    failed: int
    skipped: int


class Hosts(NamedTuple):
    """All there is (None: nothing happened), and the hosts that deliver worst, then those that take long."""

    total: Counted | None
    worst: list[Counted]


class Steps(NamedTuple):
    """What happened step by step, and how often each flow failed that delivered nothing."""

    steps: list[Step]
    only_failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Dark:
    """A host that got attempts and took none."""

    host: str
    failing: int
    last_at: datetime


async def minutes(client: Any, since_ms: int, *, max_execution_s: float | None = None) -> list[Step]:
    """The minutes since then in which anything happened. All here raise clickhouse-connect's errors."""
    return [Step(*row) for row in await _rows(client, _MINUTES, max_execution_s, since_ms=since_ms)]


async def hosts(client: Any, since_ms: int, *, max_execution_s: float | None = None) -> Hosts:
    """What happened in the hours since then, in all and at the eight worst hosts."""
    rows = await _rows(client, _HOSTS, max_execution_s, since_ms=since_ms)
    found = [(is_all, counted(("host",), row)) for is_all, *row in rows]
    total = next((one for is_all, one in found if is_all and one.rows), None)
    return Hosts(total, [one for is_all, one in found if not is_all])


async def steps(client: Any, since_ms: int, step_s: int, *, max_execution_s: float | None = None) -> Steps:
    """The hours since then in steps of hours or days (UTC), and the flows that only failed, 20 at most."""
    rows = await _rows(client, _STEPS, max_execution_s, since_ms=since_ms, step_s=step_s)
    told = [Step(step * step_s, *counts) for is_step, _, step, *counts in rows if is_step]
    failing = {flow: failed for is_step, flow, _, _, _, failed, _ in rows if not is_step}
    return Steps(told, dict(list(failing.items())[:_MOST_FLOWS]))


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
