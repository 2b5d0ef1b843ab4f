"""Writing to a real ClickHouse engine: twice leaves it once, also in what is computed from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.log.batch import Batcher
from app.log.rows import BadRecord, Found, Record, flow_version, lead_event, log_records
from app.log.start import GoOn, left_of, where_to_go_on
from app.log.tables import FLOW_VERSIONS, LEAD_EVENTS, POSTBACK_LOG, TABLES
from app.log.writer import Writer
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from tests.clickhouse import Database
from tests.log_batches import LOG_TOPIC, batch_of, envelope, read_batch

pytestmark = pytest.mark.chdb
HOUR_MS = 3_600_000
NOON_MS = 1_795_521_600_000  # 2026-11-24 12:00:00 UTC


def a_record(number: int, **fields: Any) -> LogRecord:
    told: dict[str, Any] = {
        "logged_at": NOON_MS + number,
        "requested_at": NOON_MS + number - 100,
        "outcome": "delivered",
        "attempt_id": f"a{number}",
        "attempt": 1,
        "source": Address(0, number),
        "source_topic": "p.postback-requests",
        "request_id": f"r{number}",
        "lead_id": f"L-{number}",
        "flow_id": "F-7",
        "postback_id": "fb",
        "host": "example.com",
        "duration_ms": 10.0,
        "tags": Tags(utm_source="fb"),
        **fields,
    }
    return LogRecord(**told)


async def refuse(bad: BadRecord) -> None:
    raise AssertionError(f"unexpectedly rejected: {bad}")


async def counted(database: Database) -> dict[str, int]:
    """How often each table has what was written, the statistics after a refresh."""
    await database.client.command("SYSTEM REFRESH VIEW postback_stats_refresh")
    await database.client.command("SYSTEM WAIT VIEW postback_stats_refresh")
    return {
        "log": await database.value("SELECT count() FROM postback_log"),
        "requests": await database.value("SELECT count() FROM postback_requests"),
        "stats": await database.value("SELECT sum(rows) FROM postback_stats"),
    }


@pytest.fixture
async def writer(clickhouse: Database) -> AsyncIterator[Writer]:
    writer = Writer(clickhouse.url)
    yield writer
    await writer.close()


async def test_a_batch_that_is_inserted_again_is_there_once(clickhouse: Database, writer: Writer) -> None:
    batch = batch_of({n: a_record(n) for n in range(100)})
    for _ in range(3):
        await writer.insert(batch, refuse)
    assert await counted(clickhouse) == {"log": 100, "requests": 100, "stats": 100}


async def test_a_batch_over_many_months_is_there_once(clickhouse: Database, writer: Writer) -> None:
    month_ms = 31 * 24 * HOUR_MS
    batch = batch_of({n: a_record(n, requested_at=NOON_MS - n * month_ms) for n in range(150)})
    for _ in range(2):
        await writer.insert(batch, refuse)
    assert await counted(clickhouse) == {"log": 150, "requests": 150, "stats": 150}


async def test_batches_cut_differently_would_be_doubled_until_merged(
    clickhouse: Database, writer: Writer
) -> None:
    records = {n: a_record(n) for n in range(100)}
    await clickhouse.client.command("SYSTEM STOP MERGES postback_log")
    await writer.insert(batch_of(records), refuse)
    await writer.insert(batch_of({n: records[n] for n in range(50, 100)}), refuse)
    assert await clickhouse.value("SELECT count() FROM postback_log") == 150
    assert await clickhouse.value("SELECT count() FROM postback_log FINAL") == 100


async def test_after_a_crash_the_next_life_goes_on_behind_what_is_stored(
    clickhouse: Database, writer: Writer
) -> None:
    records = {n: a_record(n) for n in range(100)}
    await clickhouse.client.command("SYSTEM STOP MERGES postback_log")
    await writer.insert(batch_of({n: records[n] for n in range(60)}), refuse)  # and the commit is lost

    start = where_to_go_on(
        "p.postback-log", 0, highest=await writer.highest(POSTBACK_LOG, 0), committed=None, end=100
    )
    assert start == GoOn(59, 0)
    left = {n: record for n, record in records.items() if left_of(start, n, Found((record,), (0,)))}
    for low in range(0, 100, 7):  # cut otherwise than before
        await writer.insert(batch_of({n: r for n, r in left.items() if low <= n < low + 7}), refuse)
    assert await counted(clickhouse) == {"log": 100, "requests": 100, "stats": 100}


async def test_the_same_addresses_in_other_partitions_and_topics_do_not_meet(
    clickhouse: Database, writer: Writer
) -> None:
    await writer.insert(batch_of({0: a_record(0)}, partition=0), refuse)
    await writer.insert(batch_of({0: a_record(1)}, partition=1), refuse)
    event = Record(0, 0, NOON_MS, b"L-1", b'{"lead_id":"L-1"}')
    await writer.insert(read_batch(LEAD_EVENTS, "p.lead-events", [event], lead_event), refuse)
    assert await clickhouse.value("SELECT count() FROM postback_log") == 2
    assert await clickhouse.value("SELECT count() FROM lead_events") == 1


async def test_a_row_that_jumps_to_a_later_hour_when_repeated_is_counted_once(
    clickhouse: Database, writer: Writer
) -> None:
    skip = {"outcome": "skipped", "attempt": 0, "duration_ms": None, "source_topic": "p.lead-events"}
    await writer.insert(batch_of({0: a_record(0, **skip)}), refuse)
    assert (await counted(clickhouse))["stats"] == 1
    repeat = a_record(0, **skip, logged_at=NOON_MS + 2 * HOUR_MS)
    await writer.insert(batch_of({1: repeat}), refuse)
    assert (await counted(clickhouse))["stats"] == 1
    assert await clickhouse.value("SELECT sum(skipped) FROM postback_stats") == 1


async def test_two_real_sendings_are_two_rows_and_one_request(clickhouse: Database, writer: Writer) -> None:
    await writer.insert(batch_of({0: a_record(0), 1: a_record(0, attempt_id="another")}), refuse)
    assert await counted(clickhouse) == {"log": 2, "requests": 1, "stats": 2}


async def test_the_newest_state_of_a_request_wins(clickhouse: Database, writer: Writer) -> None:
    life = [
        a_record(0, outcome="retrying", attempt=1, attempt_id="a1", logged_at=NOON_MS),
        a_record(0, outcome="retrying", attempt=2, attempt_id="a2", logged_at=NOON_MS + 5_000),
        a_record(0, outcome="failed", attempt=3, attempt_id="a3", logged_at=NOON_MS + 10_000),
    ]
    for offset, record in enumerate(life):
        await writer.insert(batch_of({offset: record}), refuse)
    await writer.insert(batch_of({3: life[0]}), refuse)  # an old state that comes again
    state = "SELECT outcome, attempts FROM postback_requests FINAL"
    assert await clickhouse.rows(state) == [("failed", 3)]
    newest = "SELECT argMax(outcome, logged_at), max(attempts) FROM postback_requests GROUP BY request_id"
    assert await clickhouse.rows(newest) == [("failed", 3)]


async def test_of_two_states_in_one_millisecond_the_later_record_wins(
    clickhouse: Database, writer: Writer
) -> None:
    both = {
        0: a_record(0, outcome="retrying", attempt=1, attempt_id="z"),
        1: a_record(0, outcome="delivered", attempt=2, attempt_id="a"),
    }
    await writer.insert(batch_of(both), refuse)
    assert await clickhouse.rows("SELECT outcome FROM postback_requests FINAL") == [("delivered",)]


async def test_a_row_without_a_sending_keeps_the_number_of_attempts(
    clickhouse: Database, writer: Writer
) -> None:
    sent = a_record(0, outcome="retrying", attempt=3)
    late = a_record(0, outcome="failed", attempt=0, attempts=3, attempt_id="h", logged_at=NOON_MS + 9_000)
    await writer.insert(batch_of({0: sent, 1: late}), refuse)
    rows = await clickhouse.rows("SELECT outcome, attempts FROM postback_requests FINAL")
    assert rows == [("failed", 3)]


async def test_a_skip_about_a_lead_event_is_no_state_of_a_request(
    clickhouse: Database, writer: Writer
) -> None:
    unchanged = {"outcome": "skipped", "attempt": 0, "source_topic": "p.lead-events", "request_id": "r0"}
    superseded = {"outcome": "skipped", "attempt": 0, "request_id": "r5", "reason": "superseded"}
    await writer.insert(
        batch_of({0: a_record(0), 1: a_record(1, **unchanged), 2: a_record(5, **superseded)}),
        refuse,
    )
    rows = await clickhouse.rows("SELECT request_id, outcome FROM postback_requests FINAL ORDER BY 1")
    assert rows == [("r0", "delivered"), ("r5", "skipped")]


async def test_statistics_count_outcomes_and_merge_latencies(clickhouse: Database, writer: Writer) -> None:
    rows = {n: a_record(n, duration_ms=float(n)) for n in range(100)}
    rows |= {200: a_record(200, outcome="rejected", attempt=0, duration_ms=None, host="", flow_id="")}
    await writer.insert(batch_of(rows), refuse)
    await counted(clickhouse)
    found = await clickhouse.rows(
        "SELECT flow_id, host, utm_source, rows, sends, delivered, rejected, isNaN(duration_p50_ms) "
        "FROM postback_stats ORDER BY flow_id"
    )
    assert found == [("", "", "fb", 1, 0, 0, 1, True), ("F-7", "example.com", "fb", 100, 100, 100, 0, False)]
    merged = "SELECT quantilesTDigestMerge(0.5, 0.95, 0.99)(duration_state) FROM postback_stats"
    assert [round(q) for q in await clickhouse.value(merged)] == pytest.approx([50, 95, 99], abs=2)


async def test_what_comes_later_is_counted_by_the_next_refresh(clickhouse: Database, writer: Writer) -> None:
    for n in range(3):
        await writer.insert(batch_of({n: a_record(n)}), refuse)
        assert (await counted(clickhouse))["stats"] == n + 1
    retry = a_record(0, attempt=2, attempt_id="later", logged_at=NOON_MS + 6 * HOUR_MS)
    await writer.insert(batch_of({9: retry}), refuse)
    assert (await counted(clickhouse))["stats"] == 4


async def test_what_log_read_is_kept_byte_for_byte(clickhouse: Database, writer: Writer) -> None:
    values = [b'{"lead_id":"L-1","flow_id":"F-7","event_id":"e1"}', b"\xff\x00 no JSON", b"", b"[" * 3000]
    records = [Record(3, n, NOON_MS + n, b"L-key", value) for n, value in enumerate(values)]
    events = read_batch(LEAD_EVENTS, "p.lead-events", records, lead_event)
    configs = [Record(0, 0, NOON_MS, b"F-7", b'{"flow_id":"F-7"}'), Record(0, 1, NOON_MS, b"F-7", None)]
    flows = read_batch(FLOW_VERSIONS, "p.flow-configs", configs, flow_version)
    for _ in range(2):
        await writer.insert(events, refuse)
        await writer.insert(flows, refuse)
    found = await clickhouse.rows(
        "SELECT partition, offset, lead_id, flow_id, event_id, hex(value) FROM lead_events ORDER BY offset"
    )
    assert [bytes.fromhex(row[-1]) for row in found] == values
    assert [row[:5] for row in found[:2]] == [(3, 0, "L-1", "F-7", "e1"), (3, 1, "L-key", "", "")]
    versions = await clickhouse.rows("SELECT flow_id, deleted, value FROM flow_versions ORDER BY offset")
    assert versions == [("F-7", False, '{"flow_id":"F-7"}'), ("F-7", True, "")]
    assert await writer.highest(LEAD_EVENTS, 3) == Address(3, 3)
    assert await writer.highest(FLOW_VERSIONS, 0) == Address(0, 1)


async def test_the_highest_address_counts_the_index_and_knows_its_partition(
    clickhouse: Database, writer: Writer
) -> None:
    record = Record(2, 7, NOON_MS, b"k", envelope(*(a_record(n) for n in range(5))))
    assert await writer.highest(POSTBACK_LOG, 2) is None
    await writer.insert(read_batch(POSTBACK_LOG, LOG_TOPIC, [record], log_records), refuse)
    assert await writer.highest(POSTBACK_LOG, 2) == Address(2, 7, 4)
    assert await writer.highest(POSTBACK_LOG, 1) is None
    assert await writer.highest(POSTBACK_LOG, 2, since=8) is None


@pytest.mark.parametrize("name", TABLES)
async def test_the_rows_name_the_columns_as_the_tables_have_them(clickhouse: Database, name: str) -> None:
    found = await clickhouse.rows(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {t:String} "
        "AND default_kind = '' ORDER BY position",
        t=name,
    )
    assert list(zip(TABLES[name].columns, TABLES[name].types, strict=True)) == found


async def test_batches_of_the_batcher_go_in_whole(clickhouse: Database, writer: Writer) -> None:
    batcher = Batcher()
    for n in range(3000):
        record = Record(0, n, NOON_MS, b"k", envelope(a_record(n)))
        assert batcher.add(POSTBACK_LOG, LOG_TOPIC, record, log_records(record), None, now_s=0.0) == []
    (batch,) = batcher.due(now_s=1.0)
    await writer.insert(batch, refuse)
    assert await clickhouse.value("SELECT count() FROM postback_log") == 3000
    assert await clickhouse.value("SELECT uniqExact(_part) FROM postback_log") == 1
