"""The tables are made once, in order, may be asked for again, and follow the retention setting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.log.migrate import migrate, migrations, missing, statements_of
from app.log.rows import BadRecord, Record, log_records
from app.log.tables import POSTBACK_LOG
from app.log.writer import Writer, connect, database_of
from tests.clickhouse import Database
from tests.golden.values import FOLDER
from tests.log_batches import LOG_TOPIC, read_batch

pytestmark = pytest.mark.chdb
CONTRACT = """
    logged_at requested_at request_id attempt attempt_id replay event_id lead_id lead_seq click_id flow_id
    flow_version postback_id event outcome reason verdict rule method host url request_headers request_body
    response_status response_headers response_body error duration_ms queued_ms next_attempt_at price currency
    geo utm_source utm_campaign utm_content utm_term utm_medium subid worker
"""
KEPT = ["lead_events", "postback_log", "postback_requests", "postback_stats_hours", "postback_totals_hours"]


@pytest.fixture
async def fresh(clickhouse_url: str) -> AsyncIterator[Any]:
    """A client; its database does not exist yet."""
    client = await connect(clickhouse_url, use_database=False)
    yield client
    await client.close()


def days_of(engine: str) -> str:
    return engine.split("toIntervalDay(")[1].split(")")[0] if "toIntervalDay(" in engine else "for ever"


async def retention(client: Any) -> dict[str, str]:
    result = await client.query(
        "SELECT name, engine_full FROM system.tables "
        "WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    return {name: days_of(engine) for name, engine in result.result_rows}


async def test_migrations_are_applied_once_and_in_order(fresh: Any, clickhouse_url: str) -> None:
    database = database_of(clickhouse_url)
    names = [migration.name for migration in migrations(90)]
    assert names == sorted(names)
    done = await migrate(fresh, database=database, log_ttl_days=90)
    assert [line.split()[2] for line in done] == names
    assert await migrate(fresh, database=database, log_ttl_days=90) == []
    applied = await fresh.query("SELECT name FROM migrations FINAL ORDER BY name")
    assert [row[0] for row in applied.result_rows] == names


async def test_a_migration_that_was_interrupted_is_run_again(fresh: Any, clickhouse_url: str) -> None:
    database = database_of(clickhouse_url)
    await migrate(fresh, database=database, log_ttl_days=90)
    await fresh.command("DROP VIEW postback_requests_from_log SYNC")
    await fresh.command("DELETE FROM migrations WHERE name LIKE '0002%'")
    assert await missing(fresh) == ["0002_postback_requests"]
    assert len(await migrate(fresh, database=database, log_ttl_days=90)) == 1
    assert (await fresh.query("EXISTS TABLE postback_requests_from_log")).result_rows == [(1,)]
    assert await missing(fresh) == []


async def test_rows_outlive_every_later_migration_and_older_workers_go_on_writing(
    fresh: Any, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = migrations(90)
    for count, file in enumerate(files, start=1):
        monkeypatch.setattr("app.log.migrate.migrations", lambda _days, upto=count: files[:upto])
        await migrate(fresh, database=database_of(clickhouse_url), log_ttl_days=90)
        await fresh.command(  # by the first version's columns, whatever came after
            "INSERT INTO postback_log (logged_at, requested_at, attempt_id, request_id, outcome) "
            "SELECT now64(3), now64(3), {name:String}, {name:String}, 'delivered'",
            parameters={"name": file.name},
        )
    writer = Writer(clickhouse_url)
    golden, *_ = sorted(FOLDER.glob("*/postback-log.json"))
    record = Record(3, 0, 1_795_446_000_420, b"L-1001", golden.read_bytes())
    await writer.insert(read_batch(POSTBACK_LOG, LOG_TOPIC, [record], log_records), _no_rejection)
    await writer.close()
    stored = await fresh.query("SELECT attempt_id FROM postback_log FINAL ORDER BY attempt_id")
    assert [row[0] for row in stored.result_rows] == [*(file.name for file in files), "b7e0c1d4f2a94c5d8e6f"]
    made = await fresh.query("SELECT count() FROM postback_requests FINAL")
    assert made.result_rows == [(len(files),)]  # of all rows but the one that was there before the view


async def _no_rejection(bad: BadRecord) -> None:
    pytest.fail(bad.reason)


async def test_a_new_database_misses_everything(clickhouse: Database) -> None:
    assert await missing(clickhouse.client) == []
    clickhouse.client.database = "default"
    assert await missing(clickhouse.client) == [migration.name for migration in migrations(1)]


async def test_the_retention_follows_its_setting(fresh: Any, clickhouse_url: str) -> None:
    database = database_of(clickhouse_url)
    await migrate(fresh, database=database, log_ttl_days=90)
    for days in (90, 7, 365):
        await migrate(fresh, database=database, log_ttl_days=days)
        found = await retention(fresh)
        assert {found.pop(name) for name in KEPT} == {str(days)}
        assert set(found.values()) == {"for ever"}
    assert await migrate(fresh, database=database, log_ttl_days=365) == []


async def test_rows_go_when_their_time_is_over_and_flows_stay(clickhouse: Database) -> None:
    client = clickhouse.client
    for age_days in (1, 40):
        told = {"at": age_days}
        await client.command(
            "INSERT INTO postback_log (logged_at, requested_at, attempt_id, request_id) "
            "SELECT now64(3) - INTERVAL {at:UInt32} DAY AS t, t, toString({at:UInt32}), 'r'",
            parameters=told,
        )
        await client.command(
            "INSERT INTO flow_versions (offset, recorded_at) "
            "SELECT {at:UInt32}, now64(3) - INTERVAL {at:UInt32} DAY",
            parameters=told,
        )
    await migrate(client, database=clickhouse.name, log_ttl_days=30)
    for table in ("postback_log", "flow_versions"):
        await client.command(f"OPTIMIZE TABLE {table} FINAL")
    assert await clickhouse.rows("SELECT attempt_id FROM postback_log") == [("1",)]
    assert await clickhouse.value("SELECT count() FROM flow_versions") == 2


async def test_a_database_of_any_name_is_made(clickhouse_address: str) -> None:
    name = "test odd `name`"
    client = await connect(f"{clickhouse_address}/{name}".replace(" ", "%20"), use_database=False)
    assert database_of(f"{clickhouse_address}/test%20odd%20`name`") == name
    try:
        assert await migrate(client, database=name, log_ttl_days=90) != []
        assert (await client.query("SELECT currentDatabase()")).result_rows == [(name,)]
    finally:
        await client.command("DROP DATABASE IF EXISTS `test odd \\`name\\``", use_database=False)
        await client.close()


async def test_the_log_has_every_column_of_the_contract(clickhouse: Database) -> None:
    found = await clickhouse.rows(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'postback_log'"
    )
    assert set(CONTRACT.split()) <= {row[0] for row in found}


async def test_the_keys_are_those_that_were_decided(clickhouse: Database) -> None:
    found = await clickhouse.rows(
        "SELECT name, sorting_key, partition_key FROM system.tables WHERE database = currentDatabase() "
        "AND name IN ('postback_log', 'postback_requests', 'lead_events', 'flow_versions') ORDER BY name"
    )
    assert found == [
        ("flow_versions", "partition, offset", ""),
        ("lead_events", "partition, offset", "toYYYYMM(recorded_at)"),
        ("postback_log", "flow_id, requested_at, request_id, attempt, attempt_id", "toYYYYMM(requested_at)"),
        ("postback_requests", "flow_id, requested_at, request_id", "toYYYYMM(requested_at)"),
    ]


def test_statements_are_split_where_a_line_ends_and_comments_are_dropped() -> None:
    text = "-- one;\nCREATE TABLE a (s String DEFAULT ';')\n-- in it;\nTTL {log_ttl_days};\n\nSELECT 1 ; \n"
    assert statements_of(text, 7) == ("CREATE TABLE a (s String DEFAULT ';')\nTTL 7", "SELECT 1")
    assert statements_of("-- nothing\n", 7) == ()
