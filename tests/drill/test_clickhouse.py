"""Drill `clickhouse`: ClickHouse goes away under load and comes back; one row it never takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.log.migrate import migrate
from app.log.writer import connect
from tests.clickhouse import Database, start_clickhouse, stop_clickhouse
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink
from tests.kafka import Kafka
from tests.workers import installation, read_topic, until

pytestmark = drill(240, short=True)

_REFUSED = b'[{"logged_at":1,"outcome":"no such outcome"}]'


async def test_clickhouse_away_delays_rows_and_nothing_else(
    kafka: Kafka, tmp_path: Path, scale: Scale
) -> None:
    away_s = scale.of(10, 60)
    load = Load()
    arguments = ["--data", str(tmp_path / "clickhouse")]
    process, address = start_clickhouse(*arguments)
    url = f"{address.replace('://', '://default:@')}/drill"
    client = await connect(url, use_database=False)
    await migrate(client, database="drill", log_ttl_days=90)
    try:
        async with (
            installation(kafka, Database("drill", url, client), tmp_path) as made,
            Sink() as sink,
        ):
            await made.apply(flow(sink.url()))
            worker = await made.start().ready()
            flowing = asyncio.create_task(lead_events_at(made, 200, away_s + 5, load))
            await until(lambda: made.rows("lead_id", n=100), f"rows flow: {worker.tail()}")
            process.kill()
            process.communicate()
            topic = made.settings.topics.log.name
            await made.producer.send_and_wait(topic, _REFUSED, partition=1)
            await asyncio.sleep(away_s)
            arrived = len(sink.bodies)
            process, _ = start_clickhouse(*arguments, "--port", address.rpartition(":")[2])
            await flowing
            await all_arrived(load, sink, 30, worker.tail())
            stored = await until(
                lambda: made.rows("event_id", "outcome = 'delivered'", "event_id", n=len(load.expected)),
                f"all rows: {worker.tail()}",
            )
            kept = await read_topic(made.settings, made.settings.topics.log_rejected.name)
            say(
                "clickhouse",
                away_s=away_s,
                events=len(load.expected),
                delivered_while_away=arrived,
                lost=len(lost(load, sink)),
                repeated=doubled(sink),
                rows=len(stored),
                rows_refused=len(kept),
            )
            assert arrived > 200 * away_s / 2, "deliveries waited for ClickHouse"
            assert [event for (event,) in stored] == sorted(load.expected)
            assert doubled(sink) == 0
            assert len(kept) == 1
            assert await worker.stop() == 0, worker.tail()
    finally:
        await client.close()
        stop_clickhouse(process)
