"""Drill `broker`: Kafka is killed under load and started again; then it stays away for a while."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import Kills, LogFollower, all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink
from tests.kafka import start_kafka
from tests.workers import installation, until

pytestmark = drill(400)


async def test_a_broker_killed_and_away_loses_nothing_and_repeats_at_most_what_was_in_flight(
    clickhouse: Database, tmp_path: Path, scale: Scale, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("kafka")  # skips, or fails, where Apache Kafka cannot be had
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = await asyncio.to_thread(start_kafka, folder)
    load = Load()
    try:
        async with (
            installation(broker, clickhouse, tmp_path) as made,
            Sink() as sink,
            LogFollower(made) as follower,
        ):
            kills = Kills(sink, follower)
            await made.apply(flow(sink.url()))
            workers = [await made.start(name=name).ready() for name in ("w1", "w2")]
            for away_s in (0.0, scale.of(5, 60)):
                before = Load()
                await lead_events_at(made, 200, 5, before, prefix=f"B{away_s:g}")
                broker.kill()
                kills.killed()
                await asyncio.sleep(away_s)
                await asyncio.to_thread(broker.start_again)
                after = Load()
                await lead_events_at(made, 200, 5, after, prefix=f"A{away_s:g}")
                load.sent_at |= before.sent_at | after.sent_at
                await all_arrived(load, sink, 120, workers[0].tail())
            stored = await until(
                lambda: made.rows("event_id", "outcome = 'delivered'", "event_id", n=len(load.expected)),
                f"all rows: {workers[0].tail()}",
            )
            say(
                "broker",
                away_s=scale.of(5, 60),
                events=len(load.expected),
                lost=len(lost(load, sink)),
                repeated=doubled(sink),
                in_flight=kills.in_flight(),
                rows=len(stored),
                workers_ended=sum(worker.process.poll() is not None for worker in workers),
            )
            assert {event for (event,) in stored} == load.expected
            assert doubled(sink) <= sum(kills.in_flight())
    finally:
        broker.kill()
