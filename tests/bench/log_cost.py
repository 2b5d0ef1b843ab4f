"""What LOG spends on a row, from the Kafka record to the bytes sent: `python -m tests.bench.log_cost`.

Delivered postbacks of about 1 KB in envelopes go through LOG's own steps, each timed by itself (CPU time, the
least of several rounds), then into a real ClickHouse in another process, whose CPU is told beside.
`tests.bench.pipeline --roles log` has the worker around it.

    python -m tests.bench.log_cost                    envelopes as full as they get
    python -m tests.bench.log_cost --values 4         few values in each
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from app.log.batch import Batch, Batcher, Limits
from app.log.columns import columns_of
from app.log.native import native_block
from app.log.rows import BadRecord, Record, log_records
from app.log.tables import POSTBACK_LOG
from app.log.writer import Writer
from app.messages.envelope import MAX_VALUES
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from tests.bench.cost import cpu_s
from tests.bench.engines import Engine, engine
from tests.log_batches import LOG_TOPIC, envelope

_Made = TypeVar("_Made")
_ROUNDS = 7
_BLOCK_ROWS = 1024
_NOON_MS = 1_795_521_600_000


def main() -> None:
    """Measure as the arguments say, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--values", type=int, default=MAX_VALUES, help="log records in an envelope")
    asked = parser.parse_args()
    records = list(_envelopes(asked.rows, asked.values))
    print(f"{asked.rows} rows of {sum(len(r.value or b'') for r in records) // asked.rows} bytes as JSON")
    batches = _told("decode, batch", lambda: _batched(records), asked.rows)
    parts = [batch.rows.part(at, at + _BLOCK_ROWS) for batch in batches for at in _starts(batch)]
    columns = _told("columns", lambda: [columns_of(POSTBACK_LOG, part) for part in parts], asked.rows)
    _told("Native", lambda: [native_block(POSTBACK_LOG, one) for one in columns], asked.rows)
    asyncio.run(_insert(records, asked.rows))


def _starts(batch: Batch) -> range:
    return range(0, len(batch.rows), _BLOCK_ROWS)


def _told(what: str, made: Callable[[], _Made], rows: int) -> _Made:
    """The result, its least CPU time printed."""
    least = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        result = made()
        least = min(least, time.process_time() - began)
    print(f"{what:>14} {least / rows * 1e6:6.2f} µs a row")
    return result


def _batched(records: list[Record]) -> list[Batch]:
    batcher = Batcher(Limits())
    full: list[Batch] = []
    for record in records:
        full += batcher.add(POSTBACK_LOG, LOG_TOPIC, record, log_records(record), None, 0.0)
    return full + batcher.flush()


async def _insert(records: list[Record], rows: int) -> None:
    async with engine() as database:
        writer = Writer(database.switches["clickhouse"])
        await writer.highest(POSTBACK_LOG, 0)  # connected
        spent = [await _inserted(writer, database, records, turn) for turn in range(_ROUNDS)]
        await writer.close()
    ours, theirs = min(own for own, _ in spent), min(engines for _, engines in spent)
    print(f"{'all, with HTTP':>14} {ours / rows * 1e6:6.2f} µs a row, ClickHouse {theirs / rows * 1e6:.1f}")


async def _inserted(
    writer: Writer, database: Engine, records: list[Record], turn: int
) -> tuple[float, float]:
    """CPU seconds, ours and the engine's, for all of it in another partition's name."""
    again = [record._replace(partition=turn) for record in records]
    began, engine_began = time.process_time(), cpu_s(database.pids)
    for batch in _batched(again):
        await writer.insert(batch, _never)
    return time.process_time() - began, cpu_s(database.pids) - engine_began


async def _never(bad: BadRecord) -> None:
    raise AssertionError(bad)


def _envelopes(rows: int, values: int) -> Iterable[Record]:
    chance = random.Random(1)
    encoded = [msgspec.json.encode(_delivered(number, chance)) for number in range(rows)]
    for offset, at in enumerate(range(0, rows, values)):
        yield Record(0, offset, _NOON_MS, b"L-1", envelope(*encoded[at : at + values]))


def _delivered(number: int, chance: random.Random) -> LogRecord:
    """A delivered postback as OUTBOUND logs it."""
    click = f"{chance.getrandbits(64):016x}"
    host = f"tracker{number % 20}.example.com"
    flow = f"F-{number % 7}"
    return LogRecord(
        logged_at=_NOON_MS + number,
        requested_at=_NOON_MS + number - 40,
        outcome="delivered",
        attempt_id=f"{chance.getrandbits(128):032x}",
        source=Address(0, number // 16, number % 16),
        source_topic="postbacks.postback-requests",
        request_id=f"{chance.getrandbits(128):032x}",
        attempt=1,
        event_id=f"event-{number}",
        lead_id=f"L-{number // 3}",
        lead_seq=1 + number % 3,
        lead_flow_id=flow,
        click_id=click,
        flow_id=flow,
        flow_version=17,
        postback_id=f"postback-{number % 3}",
        event="approve",
        verdict="2xx",
        method="GET",
        host=host,
        url=f"https://{host}/pb?cid={click}&status=approve&payout=12.50&cur=USD&sub1=abc&sub2=d&lead={number}",
        request_headers={"User-Agent": "Postbacks/1", "Accept": "*/*", "Authorization": "***"},
        response_status=200,
        response_headers={
            "Content-Type": "text/plain",
            "Content-Length": "2",
            "Server": "nginx",
            "Date": f"Tue, 24 Nov 2026 12:00:{number % 60:02d} GMT",
        },
        response_body="OK",
        duration_ms=12.345 + number % 100,
        queued_ms=33.1,
        price=12.5 + number % 50,
        currency="USD",
        geo="DE",
        tags=Tags("fb", f"spring-{number % 9}", f"c{number % 100}", None, "cpc", f"s{click}"),
        worker="w1",
    )


if __name__ == "__main__":
    main()
