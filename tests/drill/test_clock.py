"""Drill `clock`: a worker's clock jumps forwards and back under load, with retries under way."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Connection, Sink, answers
from tests.kafka import Kafka
from tests.workers import installation, until

pytestmark = drill(400)


async def test_jumps_of_the_clock_lose_and_double_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    jumps_s = [30, -30] * int(scale.of(1, 3))
    load = Load()
    turn = 0

    def every_fifth_comes_again(connection: Connection) -> None:
        nonlocal turn
        turn += 1
        answers(503 if turn % 5 == 0 else 200)(connection)

    clock = tmp_path / "clock"
    clock.write_text("0")
    async with (
        installation(kafka, clickhouse, tmp_path, retry_delays="1s,5s,20s") as made,
        Sink(mixed=every_fifth_comes_again) as sink,
    ):
        await made.apply(flow(sink.url("mixed"), retry={"waits_s": [1, 2, 5], "max_attempts": 50}))
        worker = await made.start(TEST_CLOCK=str(clock)).ready()
        flowing = asyncio.create_task(lead_events_at(made, 100, 5.0 * (len(jumps_s) + 1), load))
        offset_s = 0
        for jump_s in jumps_s:
            await asyncio.sleep(5)
            offset_s += jump_s
            clock.write_text(str(offset_s))
        await flowing
        await all_arrived(load, sink, 120, worker.tail())
        await until(
            lambda: made.rows("event_id", "outcome = 'delivered'", n=len(load.expected)),
            f"all delivered: {worker.tail()}",
            120,
        )
        [(delivered, failed, retried)] = await made.database.rows(
            "SELECT countIf(outcome = 'delivered'), countIf(outcome = 'failed'), "
            "countIf(outcome = 'retrying') FROM postback_log FINAL"
        )
        say(
            "clock",
            jumps_s=jumps_s,
            events=len(load.expected),
            lost=len(lost(load, sink)),
            delivered=delivered,
            retried=retried,
            failed=failed,
        )
        assert (delivered, failed) == (len(load.expected), 0)
        assert doubled(sink) == retried
