"""Ask ClickHouse for what the checks look at: each question with its own time, and nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from app.doctor.check_flows import DAYS
from app.doctor.check_receivers import HOURS
from app.doctor.facts import Activity, ClickHouse, Disk, Sending, Stored
from app.doctor.finding import Unknown
from app.log.migrate import differing_retention, missing
from app.log.refusal import shortened
from app.log.writer import ClickHouseFault, connect, database_of
from app.messages.record import Address
from app.settings import Settings

ANSWER_S = 4.0
_LIMITS: Mapping[str, Any] = {"max_execution_time": ANSWER_S}
_Got = TypeVar("_Got")

_EXISTS = "SELECT count() FROM system.databases WHERE name = {name:String}"
_BROKEN_VIEWS = """
    SELECT view, exception FROM system.view_refreshes WHERE database = currentDatabase() AND exception != ''
"""
_STORED = """
    SELECT log_partition, max((log_offset, log_index)), max(logged_at) FROM postback_log
    WHERE logged_at > now() - INTERVAL {days:UInt32} DAY GROUP BY log_partition
"""
_ACTIVITY = """
    SELECT flow_id, postback_id, countIf(outcome != 'skipped' OR reason = 'dry run') AS requests,
        countIf(outcome = 'skipped' AND reason != 'dry run') AS skips,
        topKIf(1)(if(startsWith(reason, 'unchanged'), 'unchanged', reason), outcome = 'skipped')
    FROM postback_log WHERE logged_at > now() - INTERVAL {days:UInt32} DAY AND postback_id != ''
    GROUP BY flow_id, postback_id LIMIT 10000
"""
_EVENTS = """
    SELECT flow_id, count() FROM lead_events WHERE recorded_at > now() - INTERVAL {days:UInt32} DAY
    GROUP BY flow_id LIMIT 10000
"""
_SENDINGS = """
    SELECT host, flow_id, postback_id, countIf(outcome = 'delivered'),
        countIf(outcome IN ('retrying', 'failed', 'blocked')) AS undelivered, countIf(outcome = 'blocked'),
        argMaxIf((ifNull(response_status, 0), error, reason, verdict), logged_at, outcome != 'delivered')
    FROM postback_log
    WHERE logged_at > now() - INTERVAL {hours:UInt32} HOUR
        AND outcome IN ('delivered', 'retrying', 'failed', 'blocked')
    GROUP BY host, flow_id, postback_id ORDER BY undelivered DESC LIMIT 1000
"""


async def ask_clickhouse(settings: Settings, now_ms: Callable[[], int]) -> ClickHouse | Unknown:
    """Everything about ClickHouse, or why it cannot be asked; `now_ms` is this machine's clock."""
    connected = await _asked(connect(settings.clickhouse, use_database=False))
    if isinstance(connected, Unknown):
        return connected
    try:
        return await _ask(connected, settings, now_ms)
    finally:
        await connected.close()


async def _ask(client: Any, settings: Settings, now_ms: Callable[[], int]) -> ClickHouse | Unknown:
    asked_ms = now_ms()
    clock = await _asked(_rows(client, "SELECT version(), toUnixTimestamp64Milli(now64(3))"))
    if isinstance(clock, Unknown):
        return clock
    [(version, theirs_ms)] = clock
    within_ms = (now_ms() - asked_ms) / 2
    skew_ms = theirs_ms - asked_ms - within_ms
    database = database_of(settings.clickhouse)
    exists = await _asked(_rows(client, _EXISTS, name=database))
    if not isinstance(exists, Unknown) and not exists[0][0]:
        none = Unknown(f"there is no database {database}")
        return ClickHouse(version, skew_ms, within_ms, database, False, *[none] * 8)
    client.database = database
    of_tables = asyncio.gather(
        _asked(missing(client)),
        _asked(differing_retention(client, settings.log_ttl_days)),
        _asked(_disks(client)),
        _asked(_broken_views(client)),
    )
    of_rows = asyncio.gather(
        _asked(_stored(client, settings)),
        _asked(_activity(client)),
        _asked(_events(client)),
        _asked(_sendings(client)),
    )
    return ClickHouse(version, skew_ms, within_ms, database, True, *await of_tables, *await of_rows)


async def _asked(question: Awaitable[_Got]) -> _Got | Unknown:
    """The answer, or why there is none."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await question
    except TimeoutError:
        return Unknown(f"ClickHouse did not answer within {ANSWER_S:g} s")
    except (ClickHouseError, ClickHouseFault, OSError) as error:
        return Unknown(shortened(str(error)))


async def _rows(client: Any, sql: str, **parameters: Any) -> list[Any]:
    result = await client.query(sql, parameters=parameters, settings=_LIMITS)
    return list(result.result_rows)


async def _disks(client: Any) -> list[Disk]:
    return [
        Disk(*row) for row in await _rows(client, "SELECT name, free_space, total_space FROM system.disks")
    ]


async def _broken_views(client: Any) -> dict[str, str]:
    return {view: shortened(fault) for view, fault in await _rows(client, _BROKEN_VIEWS)}


async def _stored(client: Any, settings: Settings) -> Stored:
    rows = await _rows(client, _STORED, days=settings.requests_retention_days + 1)
    highest = {partition: Address(partition, *address) for partition, address, _ in rows}
    return Stored(highest, max((newest for *_, newest in rows), default=None))


async def _activity(client: Any) -> list[Activity]:
    return [
        Activity(flow, postback, requests, skips, reasons[0] if reasons else "")
        for flow, postback, requests, skips, reasons in await _rows(client, _ACTIVITY, days=DAYS)
    ]


async def _events(client: Any) -> dict[str, int]:
    return dict(await _rows(client, _EVENTS, days=DAYS))


async def _sendings(client: Any) -> list[Sending]:
    rows = await _rows(client, _SENDINGS, hours=HOURS)
    return [
        Sending(host, flow, postback, delivered, undelivered, blocked, _answer(*newest))
        for host, flow, postback, delivered, undelivered, blocked, newest in rows
    ]


def _answer(status: int, error: str, reason: str, verdict: str) -> str:
    """The newest answer that was no delivery, in words."""
    told = [f"status {status}"] if status else []
    told += [text for text in (error, reason) if text]
    return ", ".join(dict.fromkeys(told)) + (f" ({verdict})" if verdict else "")
