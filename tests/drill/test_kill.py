"""Drill `kill`: random workers get SIGKILL under load; nothing is lost, what was in flight may repeat."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import Kills, LogFollower, all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink, answers, hangs
from tests.kafka import Kafka
from tests.workers import Installation, WorkerProcess, installation, until

pytestmark = drill(900, short=True)

_PER_S = 200.0
_BETWEEN_S = 14.0  # a killed member is out of its group after 10 s


async def _kill_and_replace(made: Installation, workers: dict[str, WorkerProcess], kills: Kills) -> None:
    name = random.choice(sorted(workers))
    workers[name].kill()
    kills.killed()
    workers[name] = made.start(name=name)


async def test_workers_killed_under_load_lose_nothing_and_repeat_at_most_what_was_in_flight(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    times = int(scale.of(1, 10))
    load = Load()
    async with (
        installation(kafka, clickhouse, tmp_path) as made,
        Sink(slow=answers(after_s=0.15)) as sink,
        LogFollower(made) as follower,
    ):
        await made.apply(flow(sink.url("slow")))
        workers = {name: made.start(name=name) for name in ("w1", "w2")}
        for worker in workers.values():
            await worker.ready()
        kills = Kills(sink, follower)
        flowing = asyncio.create_task(
            lead_events_at(made, _PER_S, _BETWEEN_S * (times + 1), load), name="load"
        )
        for _ in range(times):
            await asyncio.sleep(_BETWEEN_S * random.uniform(0.8, 1.2))
            await _kill_and_replace(made, workers, kills)
        await flowing
        await all_arrived(load, sink, 400)
        rows = await until(
            lambda: made.rows(
                "event_id, count()",
                "outcome = 'delivered' GROUP BY event_id",
                "event_id",
                n=len(load.expected),
            ),
            "a row each",
        )
        in_flight, repeats = kills.in_flight(), doubled(sink)
        say(
            "kill",
            kills=times,
            events=len(load.expected),
            lost=len(lost(load, sink)),
            repeated=repeats,
            in_flight=in_flight,
        )
        assert {event for event, _ in rows} == load.expected
        assert all(count for count in in_flight), "nothing was in flight at a kill: it shows nothing"
        assert repeats <= sum(in_flight)
        assert sum(count for _, count in rows) <= len(load.expected) + repeats
        assert await _delivered_by_statistics(made) == sum(count for _, count in rows)


async def _delivered_by_statistics(made: Installation) -> int:
    await made.database.client.command("SYSTEM REFRESH VIEW postback_stats_refresh")
    await made.database.client.command("SYSTEM WAIT VIEW postback_stats_refresh")
    return int(await made.database.value("SELECT sum(delivered) FROM postback_stats"))


async def test_the_same_kill_without_the_ledger_loses_what_was_in_flight(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    """The drill above can fail: acks in the order of finishing commit past what a slow receiver holds."""
    load = Load()
    async with (
        installation(kafka, clickhouse, tmp_path) as made,
        Sink() as sink,
        Sink(host="127.0.0.2", slow=hangs) as slow,
    ):
        await made.apply(flow(sink.url()), flow(slow.url("slow"), flow_id="F-2", timeout_s=30))
        worker = await made.start("join,outbound", TEST_NAIVE_ACKS="1").ready()
        held = Load()
        await lead_events_at(
            made, 6, 1, held, prefix="H", flow_id="F-2"
        )  # fewer than a new host gets at once
        await lead_events_at(made, _PER_S, 5, load)
        await all_arrived(load, sink, 30)
        await all_arrived(held, slow, 30)
        await asyncio.sleep(1)  # commits are made every 0.2 s
        worker.kill()
        before = dict(slow.bodies)
        slow.paths["slow"] = answers()
        await made.start("join,outbound").ready()
        last = Load()
        await lead_events_at(made, 20, 1, last, prefix="Z")
        await all_arrived(last, sink, 30)
        again = {body for body in held.expected if slow.bodies[body] > before[body]}
        say("kill without the ledger", in_flight=len(held.expected), lost=len(held.expected - again))
        assert again != held.expected
