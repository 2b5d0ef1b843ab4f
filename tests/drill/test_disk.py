"""Drill `disk`: RocksDB cannot write. The worker ends, and goes on once there is room."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.clickhouse import Database
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink
from tests.kafka import Kafka
from tests.workers import installation

pytestmark = drill(300)


async def test_a_full_disk_ends_the_worker_and_loses_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    load = Load()
    async with installation(kafka, clickhouse, tmp_path, partitions="1") as made, Sink() as sink:
        await made.apply(flow(sink.url()))
        full = await made.start(TEST_MOST_BYTES_OF_A_FILE="400000").ready()
        flowing = asyncio.create_task(lead_events_at(made, 400, 30, load))
        status = await full.ended(120)
        arrived = len(sink.bodies)
        second = await made.start().ready()
        await flowing
        await all_arrived(load, sink, 90, second.tail())
        say(
            "disk",
            events=len(load.expected),
            arrived_before=arrived,
            ended_with=status,
            lost=len(lost(load, sink)),
            repeated=doubled(sink),
        )
        assert status == 1, full.tail()
        assert "No space" in full.log.read_text() or "File too large" in full.log.read_text(), full.tail()
