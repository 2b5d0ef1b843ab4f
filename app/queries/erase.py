"""What ClickHouse holds of one lead, and its deletion. All raise clickhouse-connect's errors.

Rows are deleted by mutations, which rewrite the parts that hold them: a lightweight delete would only hide
them until parts are merged. Statistics name no lead; a count by tags that is of this lead alone (a subid is
often a click's) is deleted with it, one that others share stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TABLES = ("postback_log", "postback_requests", "lead_events")
_STATISTICS = "postback_stats_hours"
_LOOK_S = 0.2
_AT_ONCE = 200
_COUNTS = """
    SELECT
        (SELECT count() FROM postback_log WHERE lead_id = {id:String}),
        (SELECT count() FROM postback_requests WHERE lead_id = {id:String}),
        (SELECT count() FROM lead_events WHERE lead_id = {id:String}),
        (SELECT count() FROM postback_requests FINAL WHERE lead_id = {id:String} AND outcome = 'retrying'),
        (SELECT groupUniqArray(partition) FROM lead_events WHERE lead_id = {id:String})
"""
_RECEIVERS = """
    SELECT host, uniqExact(request_id), uniqExactIf(request_id, outcome = 'delivered') FROM postback_log
    WHERE lead_id = {id:String} AND attempt > 0 GROUP BY host ORDER BY host
"""
_ALONE = """
    SELECT
        toUInt32(toStartOfHour(requested_at)), flow_id, postback_id, host,
        utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid
    FROM postback_log
    WHERE (flow_id, toStartOfHour(requested_at)) IN
        (SELECT flow_id, toStartOfHour(requested_at) FROM postback_log WHERE lead_id = {id:String})
    GROUP BY ALL HAVING countIf(lead_id != {id:String}) = 0
"""
_DELETE_ALONE = """
    ALTER TABLE postback_stats_hours DELETE WHERE
        (toUInt32(hour), flow_id, postback_id, host,
         utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid)
        IN {groups:Array(Tuple(
            UInt32, String, String, String, String, String, String, String, String, String))}
"""
_MUTATIONS = """
    SELECT latest_fail_reason FROM system.mutations
    WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done
"""


class DeleteFault(Exception):
    """ClickHouse cannot delete; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A receiver that requests of the lead were sent to: how many, and how many of them were delivered."""

    host: str
    requests: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored of a lead: rows by table, those written twice included; requests that are sent again by
    themselves; receivers; the partitions of its events."""

    rows: dict[str, int]
    waiting: int
    receivers: list[Sent]
    partitions: set[int]


async def held(client: Any, lead_id: str) -> Held:
    """Count what is stored of a lead."""
    [[*counts, waiting, partitions]] = await _rows(client, _COUNTS, id=lead_id)
    receivers = [Sent(*row) for row in await _rows(client, _RECEIVERS, id=lead_id)]
    return Held(dict(zip(TABLES, counts, strict=True)), waiting, receivers, set(partitions))


async def delete(client: Any, lead_id: str) -> None:
    """Delete the rows of a lead; returns once no part that is read has them. Raises `DeleteFault`."""
    alone = [tuple(row) for row in await _rows(client, _ALONE, id=lead_id)]
    log, *others = TABLES
    for table in others:
        await _delete_rows(client, table, lead_id)
    await _delete_alone(client, alone)
    await _delete_rows(client, log, lead_id)  # last: which counts are the lead's alone is read from it
    await _delete_alone(client, alone)  # what was counted anew before that


async def _delete_rows(client: Any, table: str, lead_id: str) -> None:
    sql = f"ALTER TABLE {table} DELETE WHERE lead_id = {{id:String}}"
    await client.command(sql, parameters={"id": lead_id})
    await _mutated(client, table)


async def _delete_alone(client: Any, alone: Sequence[Any]) -> None:
    for at in range(0, len(alone), _AT_ONCE):
        await client.command(_DELETE_ALONE, parameters={"groups": alone[at : at + _AT_ONCE]})
        await _mutated(client, _STATISTICS)


async def _mutated(client: Any, table: str) -> None:
    """Wait until a table has no mutation left to do."""
    while undone := await _rows(client, _MUTATIONS, table=table):
        if reasons := [reason for (reason,) in undone if reason]:
            raise DeleteFault(f"ClickHouse cannot delete rows of {table}: {reasons[0]}")
        await asyncio.sleep(_LOOK_S)


async def _rows(client: Any, sql: str, **parameters: Any) -> Sequence[Any]:
    result = await client.query(sql, parameters=parameters)
    rows: Sequence[Any] = result.result_rows
    return rows
