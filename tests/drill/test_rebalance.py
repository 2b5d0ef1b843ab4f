"""Drill `rebalance`: a worker joins and leaves again and again; then workers are replaced one by one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink, answers
from tests.kafka import Kafka
from tests.workers import Installation, installation, until

pytestmark = drill(600)


async def _all_once(made: Installation, load: Load, sink: Sink, drill: str, **figures: int) -> None:
    await all_arrived(load, sink, 60)
    await until(
        lambda: made.rows("event_id", "outcome = 'delivered'", "event_id", n=len(load.expected)), "all rows"
    )
    say(drill, events=len(load.expected), lost=len(lost(load, sink)), repeated=doubled(sink), **figures)
    assert doubled(sink) == 0


async def test_a_worker_that_joins_and_leaves_again_and_again_loses_and_doubles_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    times = int(scale.of(2, 10))
    load, done = Load(), asyncio.Event()
    async with installation(kafka, clickhouse, tmp_path) as made, Sink(slow=answers(after_s=0.1)) as sink:
        await made.apply(flow(sink.url("slow")))
        await made.start(name="w1").ready()
        flowing = asyncio.create_task(_until(done, made, load))
        for _ in range(times):
            guest = await made.start(name="guest").ready()
            await asyncio.sleep(2)
            assert await guest.stop() == 0, guest.tail()
        done.set()
        await flowing
        await _all_once(made, load, sink, "rebalance: storm", joined=times)


async def test_workers_replaced_one_by_one_lose_and_double_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    rounds = int(scale.of(1, 3))
    load, done = Load(), asyncio.Event()
    async with installation(kafka, clickhouse, tmp_path) as made, Sink(slow=answers(after_s=0.1)) as sink:
        await made.apply(flow(sink.url("slow")))
        workers = {name: await made.start(name=name).ready() for name in ("w1", "w2")}
        flowing = asyncio.create_task(_until(done, made, load))
        for _ in range(rounds):
            for name, old in list(workers.items()):
                assert await old.stop() == 0, old.tail()
                workers[name] = await made.start(name=name).ready()
        done.set()
        await flowing
        await _all_once(made, load, sink, "rebalance: deploy", replaced=2 * rounds)


async def _until(done: asyncio.Event, made: Installation, load: Load) -> None:
    """Two seconds of leads after the other."""
    turn = 0
    while not done.is_set():
        turn += 1
        await lead_events_at(made, 200, 2, load, prefix=f"L{turn}")
