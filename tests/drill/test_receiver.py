"""Drill `receiver`: the receiver goes away under load and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink
from tests.kafka import Kafka
from tests.workers import installation, until

pytestmark = drill(400)


async def test_a_receiver_that_is_down_gets_everything_once_when_it_is_back(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    down_s = scale.of(10, 60)
    load = Load()
    async with (
        installation(kafka, clickhouse, tmp_path, retry_delays="1s,5s,20s") as made,
        Sink() as sink,
    ):
        await made.apply(flow(sink.url(), retry={"waits_s": [1, 5, 10, 20], "max_attempts": 50}))
        worker = await made.start().ready()
        flowing = asyncio.create_task(lead_events_at(made, 100, down_s + 10, load))
        await until(lambda: len(sink.bodies) > 200, f"leads flow: {worker.tail()}")
        await sink.down()
        await asyncio.sleep(down_s)
        await sink.up()
        await flowing
        await all_arrived(load, sink, 120, worker.tail())
        stored = await until(
            lambda: made.rows("event_id", "outcome = 'delivered'", n=len(load.expected)), "all rows"
        )
        [(retries, hosts)] = await made.database.rows(
            "SELECT countIf(outcome = 'retrying'), uniqExact(host) FROM postback_log FINAL"
        )
        say(
            "receiver",
            down_s=down_s,
            events=len(load.expected),
            lost=len(lost(load, sink)),
            repeated=doubled(sink),
            delivered_rows=len(stored),
            retrying_rows=retries,
            moved=worker.metric("postbacks_retries_moved_total"),
        )
        assert hosts == 1
        assert doubled(sink) == 0
