"""What ClickHouse refuses is isolated; while it is away, the writer waits and says for what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.log.batch import Batch, token_of
from app.log.refusal import Away, Refused
from app.log.rows import BadRecord, Record, log_records
from app.log.tables import POSTBACK_LOG
from app.log.writer import ClickHouseFault, Writer, classify, connect
from app.messages.record import Address
from tests.clickhouse import Database, start_clickhouse, stop_clickhouse
from tests.log_batches import LOG_TOPIC, read_batch

pytestmark = pytest.mark.chdb
NOON_MS = 1_795_521_600_000


def a_record(offset: int, **fields: Any) -> Record:
    told: dict[str, Any] = {
        "logged_at": NOON_MS,
        "requested_at": NOON_MS,
        "outcome": "delivered",
        "attempt_id": f"a{offset}",
        "source": (0, offset),
        "source_topic": "p.postback-requests",
        "lead_id": f"L-{offset}",
        **fields,
    }
    # as any producer may write it: Python's writes lone surrogates too
    return Record(0, offset, NOON_MS, b"key", json.dumps([told]).encode())


def a_batch(records: list[Record]) -> Batch:
    return read_batch(POSTBACK_LOG, LOG_TOPIC, records, log_records)


class Rejects:
    """What was rejected, with what was stored at that moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.seen: list[tuple[BadRecord, int | None]] = []

    async def __call__(self, bad: BadRecord) -> None:
        highest = "SELECT if(count() = 0, -1, max(log_offset)) FROM postback_log"
        self.seen.append((bad, await self._database.value(highest)))

    @property
    def offsets(self) -> list[int]:
        return [bad.address.offset for bad, _ in self.seen]


@pytest.fixture
async def writer(clickhouse: Database) -> AsyncIterator[Writer]:
    writer = Writer(clickhouse.url)
    yield writer
    await writer.close()


async def offsets(database: Database) -> list[int]:
    return [row[0] for row in await database.rows("SELECT log_offset FROM postback_log ORDER BY 1")]


async def test_rows_that_the_table_refuses_are_rejected_alone(clickhouse: Database, writer: Writer) -> None:
    await clickhouse.client.command(
        "ALTER TABLE postback_log ADD CONSTRAINT no_bad_leads CHECK lead_id != 'bad'"
    )
    records = [a_record(n, **({"lead_id": "bad"} if n in (0, 17, 18, 63) else {})) for n in range(64)]
    rejects = Rejects(clickhouse)
    await writer.insert(a_batch(records), rejects)
    assert rejects.offsets == [0, 17, 18, 63]
    assert await offsets(clickhouse) == [n for n in range(64) if n not in (0, 17, 18, 63)]
    bad = rejects.seen[1][0]
    assert (bad.original, bad.key) == ((records[17].value or b"")[1:-1], b"key")
    assert "no_bad_leads" in bad.reason
    assert "http" not in bad.reason


async def test_nothing_behind_a_refused_row_is_stored_before_it_is_handed_over(
    clickhouse: Database, writer: Writer
) -> None:
    await clickhouse.client.command(
        "ALTER TABLE postback_log ADD CONSTRAINT no_bad_leads CHECK lead_id != 'bad'"
    )
    records = [a_record(n, **({"lead_id": "bad"} if n in (5, 40) else {})) for n in range(64)]
    rejects = Rejects(clickhouse)
    await writer.insert(a_batch(records), rejects)
    assert [(bad.address.offset, stored) for bad, stored in rejects.seen] == [(5, 4), (40, 39)]


async def test_a_value_that_does_not_fit_its_column_is_rejected_alone(
    clickhouse: Database, writer: Writer
) -> None:
    records = [a_record(n) for n in range(10)]
    records[3] = a_record(3, attempt=2**40)
    records[7] = a_record(7, response_status=-1)
    rejects = Rejects(clickhouse)
    await writer.insert(a_batch(records), rejects)
    assert rejects.offsets == [3, 7]
    assert "attempt" in rejects.seen[0][0].reason
    assert await offsets(clickhouse) == [n for n in range(10) if n not in (3, 7)]


async def test_a_batch_that_was_halved_and_comes_again_is_there_once(
    clickhouse: Database, writer: Writer
) -> None:
    await clickhouse.client.command("SYSTEM STOP MERGES postback_log")
    await clickhouse.client.command(
        "ALTER TABLE postback_log ADD CONSTRAINT no_bad_leads CHECK lead_id != 'bad'"
    )
    records = [a_record(n, **({"lead_id": "bad"} if n == 9 else {})) for n in range(16)]
    for _ in range(2):
        await writer.insert(a_batch(records), Rejects(clickhouse))
    assert await offsets(clickhouse) == [n for n in range(16) if n != 9]


async def test_what_is_no_record_is_handed_over_before_anything_is_stored(
    clickhouse: Database, writer: Writer
) -> None:
    none = Record(0, 3, NOON_MS, b"k", b'[{"outcome":"delivered"},17]')
    rejects = Rejects(clickhouse)
    await writer.insert(a_batch([none, a_record(4)]), rejects)
    assert [(b.address, stored) for b, stored in rejects.seen] == [
        (Address(0, 3, 0), -1),
        (Address(0, 3, 1), -1),
    ]
    assert await offsets(clickhouse) == [4]


async def test_odd_texts_survive(clickhouse: Database, writer: Writer) -> None:
    texts = ["\x00", "a\x00b", "\ud800", "😀\udfff", "\u2028", "'\"\\`{}", "x" * 2_000_000, "\x7f\x80"]
    records = [
        a_record(n, url=text, request_body=text, request_headers={text: text}) for n, text in enumerate(texts)
    ]
    await writer.insert(a_batch(records), Rejects(clickhouse))
    found = await clickhouse.rows(
        "SELECT url, request_body, request_headers FROM postback_log ORDER BY log_offset"
    )
    wanted = [text.replace("\ud800", "\ufffd").replace("\udfff", "\ufffd") for text in texts]
    assert found == [(text, text, {text: text}) for text in wanted]


async def test_the_ends_of_what_columns_hold_go_in(clickhouse: Database, writer: Writer) -> None:
    records = [
        a_record(0, requested_at=-(2**62), price=999_999_999_999.5, lead_seq=2**63),
        a_record(1, requested_at=2**62, price=1e12, next_attempt_at=2**62),
        a_record(2, requested_at=0, price=-0.0000005, duration_ms=1e308),
    ]
    await writer.insert(a_batch(records), Rejects(clickhouse))
    found = await clickhouse.rows(
        "SELECT toYear(requested_at), toString(price) FROM postback_log ORDER BY log_offset"
    )
    assert found == [(1900, "999999999999.5"), (2299, None), (1970, "0")]


async def test_a_missing_table_is_waited_for_and_rejects_nothing(clickhouse: Database) -> None:
    await clickhouse.client.command("RENAME TABLE postback_log TO elsewhere")
    waited: list[float] = []
    told: list[str | None] = []

    async def sleep(delay_s: float) -> None:
        waited.append(delay_s)
        told.append(patient.waits_for)
        if len(waited) == 3:
            await clickhouse.client.command("RENAME TABLE elsewhere TO postback_log")

    patient = Writer(clickhouse.url, sleep)
    rejects = Rejects(clickhouse)
    await patient.insert(a_batch([a_record(n) for n in range(4)]), rejects)
    await patient.close()
    assert rejects.seen == []
    assert len(waited) == 3
    assert "postback_log" in str(told[0])
    assert patient.waits_for is None
    assert await offsets(clickhouse) == [0, 1, 2, 3]


async def test_a_clickhouse_that_comes_back_gets_the_same_batch_once(tmp_path: Any) -> None:
    folder = str(tmp_path / "data")
    process, address = start_clickhouse("--data", folder)
    port = address.rsplit(":", 1)[1]
    from app.log.migrate import migrate

    client = await connect(f"{address}/x", use_database=False)
    await migrate(client, database="x", log_ttl_days=90)
    await client.close()

    async def sleep(_: float) -> None:
        nonlocal process
        assert "127.0.0.1" in str(patient.waits_for)
        if process.returncode is not None:
            process, _address = start_clickhouse("--data", folder, "--port", port)

    patient = Writer(f"{address}/x", sleep)
    await patient.insert(a_batch([a_record(n) for n in range(5)]), _never)
    stop_clickhouse(process)
    try:
        await patient.insert(a_batch([a_record(n) for n in range(5)]), _never)
        await patient.insert(a_batch([a_record(n) for n in range(5, 9)]), _never)
        assert await patient.highest(POSTBACK_LOG, 0) == Address(0, 8)
        client = await connect(f"{address}/x")
        assert (await client.query("SELECT count() FROM postback_log")).result_rows == [(9,)]
        await client.close()
    finally:
        await patient.close()
        stop_clickhouse(process)


async def _never(bad: BadRecord) -> None:
    raise AssertionError(f"unexpectedly rejected: {bad}")


async def test_a_clickhouse_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(ClickHouseFault) as fault:
        await connect("http://me:sesame@127.0.0.1:1/x")
    assert "http://127.0.0.1:1/x" in str(fault.value)
    assert "sesame" not in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT toInt8('x')", Refused),
        ("SELECT CAST(NULL AS UInt8)", Refused),
        ("SELECT * FROM nowhere", Away),
        ("SELECT nothing", Away),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1", Away),
        ("SELEKT", Away),
    ],
)
async def test_only_errors_about_the_data_are_refusals(clickhouse: Database, sql: str, kind: type) -> None:
    with pytest.raises(ClickHouseError) as fault:
        await clickhouse.client.query(sql)
    assert isinstance(classify(fault.value), kind)


def test_tokens_of_halves_differ_from_that_of_the_whole() -> None:
    rows = a_batch([a_record(n) for n in range(4)]).rows
    assert len({token_of("t", rows), token_of("t", rows.part(0, 2)), token_of("t", rows.part(2, 4))}) == 3
