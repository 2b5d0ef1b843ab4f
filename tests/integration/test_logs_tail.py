"""Following the log gives every row once, however late it is stored, and outlives a ClickHouse away."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.log.columns import columns_of
from app.log.migrate import migrate
from app.log.rows import BadRecord
from app.log.tables import POSTBACK_LOG
from app.log.writer import Writer, connect
from app.messages.record import Address, LogRecord
from app.queries import tail as tail_module
from app.queries.filters import Filters
from app.queries.tail import Tail, poll, start_tail
from tests.clickhouse import Database, start_clickhouse, stop_clickhouse
from tests.kafka import free_port
from tests.log_batches import log_batch
from tests.shell import Shell
from tests.workers import until

pytestmark = pytest.mark.chdb

_NOON_MS = 1_795_521_600_000


def _record(name: str, **more: Any) -> LogRecord:
    record = LogRecord(
        logged_at=_NOON_MS,
        requested_at=_NOON_MS,
        outcome="delivered",
        attempt_id=name,
        attempt=1,
        request_id=f"r-{name}",
        source=Address(0, 0),
        source_topic="p.postback-requests",
        flow_id="F-1",
        lead_id="L-1",
    )
    return msgspec.structs.replace(record, **more)


async def _store(url: str, *records: LogRecord, offset: int, partition: int = 0) -> None:
    writer = Writer(url)
    placed = [(Address(partition, offset, index), record) for index, record in enumerate(records)]
    await writer.insert(log_batch(placed), _never)
    await writer.close()


async def _never(bad: BadRecord) -> None:
    raise AssertionError(bad)


async def _news(database: Database, tail: Tail, **filters: Any) -> list[str]:
    return [row.attempt_id async for rows in poll(database.client, tail, Filters(**filters)) for row in rows]


async def test_each_new_row_is_given_once_though_it_is_stored_again(clickhouse: Database) -> None:
    await _store(clickhouse.url, _record("old"), offset=0)
    tail = await start_tail(clickhouse.client, Filters())
    assert await _news(clickhouse, tail) == []
    await _store(clickhouse.url, _record("a"), _record("b"), offset=1)
    assert sorted(await _news(clickhouse, tail)) == ["a", "b"]
    await _store(clickhouse.url, _record("b"), _record("c"), offset=2)
    await _store(clickhouse.url, _record("d"), offset=0, partition=3)
    assert sorted(await _news(clickhouse, tail)) == ["c", "d"]
    assert await _news(clickhouse, tail) == []


async def test_a_row_that_can_be_seen_only_later_than_rows_stored_after_it_is_given(
    clickhouse: Database,
) -> None:
    tail = await start_tail(clickhouse.client, Filters())
    await _store(clickhouse.url, _record("a"), offset=7)
    assert await _news(clickhouse, tail) == ["a"]
    rows = log_batch([(Address(0, 3, 0), _record("late"))]).rows
    fields = [column[0] for column in columns_of(POSTBACK_LOG, rows)]
    stored_at = await clickhouse.value("SELECT toUnixTimestamp64Milli(now64(3)) - 15000")
    await clickhouse.client.insert(
        "postback_log",
        [[*fields, stored_at]],
        column_names=[*POSTBACK_LOG.columns, "stored_at"],
        column_type_names=[*POSTBACK_LOG.types, "DateTime64(3, 'UTC')"],
    )
    assert await _news(clickhouse, tail) == ["late"]
    assert await _news(clickhouse, tail) == []


async def test_more_rows_of_one_moment_than_a_page_holds_are_given_once_each(
    clickhouse: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "POLL_ROWS", 2)
    tail = await start_tail(clickhouse.client, Filters())
    await _store(clickhouse.url, *(_record(f"n{n}") for n in range(7)), offset=1)
    assert await _news(clickhouse, tail) == [f"n{n}" for n in range(7)]


async def test_only_rows_that_meet_the_filters_are_given(clickhouse: Database) -> None:
    tail = await start_tail(clickhouse.client, Filters(flow="F-2"))
    globally = _record("global", flow_id="*", lead_flow_id="F-2")
    await _store(clickhouse.url, _record("a"), _record("b", flow_id="F-2"), globally, offset=1)
    assert await _news(clickhouse, tail, flow="F-2") == ["b"]
    assert await _news(clickhouse, tail, lead_flow="F-2") == ["global"]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_tail_outlives_a_clickhouse_that_is_away_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    port, data = str(free_port()), str(tmp_path / "data")
    arguments = ("--port", port, "--data", data)
    process, address = await asyncio.to_thread(start_clickhouse, *arguments)
    url = f"{address.replace('://', '://default:@')}/away"
    out = tmp_path / "out"

    def told() -> list[str]:
        return out.read_text().splitlines()

    try:
        client = await connect(url, use_database=False)
        await migrate(client, database="away", log_ttl_days=3650)
        await client.close()
        await _store(url, _record("old"), _record("older", logged_at=_NOON_MS - 1), offset=0)
        shell = Shell(tmp_path, {"POSTBACKS_CLICKHOUSE": url})
        tail = shell.start("logs", "tail", "--json", "--last", "1", out=out)
        try:
            await until(lambda: len(told()) == 1, lambda: str(told()))
            await asyncio.to_thread(stop_clickhouse, process)
            await until(lambda: len(told()) == 2, lambda: str(told()))
            await asyncio.sleep(3)  # it goes on asking, and says nothing more
            process, _ = await asyncio.to_thread(start_clickhouse, *arguments)
            await _store(url, _record("new"), offset=1)
            await until(lambda: len(told()) == 4, lambda: str(told()))
            tail.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(tail.wait, 20) == 0
        finally:
            tail.kill()
    finally:
        await asyncio.to_thread(stop_clickhouse, process)
    old, away, back, new = told()
    assert json.loads(old)["attempt_id"] == "old"
    assert away.startswith(f"postbacks: ClickHouse at {address}/away: ")
    assert away.endswith("; waiting for it")
    assert (
        back == f"postbacks: ClickHouse at {address}/away is back" or json.loads(back)["attempt_id"] == "new"
    )
    assert '"new"' in back + new
