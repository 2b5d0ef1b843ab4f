"""Drill `parked`: three refusals park a postback, a flood is kept, a release with a new template sends it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import drill
from tests.drill.sink import Sink, answers
from tests.kafka import Kafka
from tests.shell import Shell
from tests.workers import installation, until

pytestmark = drill(500)


async def test_what_a_parked_postback_keeps_arrives_once_and_in_lane_order(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    flood, fresh = Load(), Load()
    async with (
        installation(kafka, clickhouse, tmp_path) as made,
        Sink(old=answers(401), new=answers(after_s=0.02)) as sink,
    ):
        shell = Shell(tmp_path, made.environ)
        await made.apply(flow(sink.url("old")))
        workers = [await made.start(name=name).ready() for name in ("w1", "w2")]
        await lead_events_at(made, 200, scale.of(5, 20), flood)
        kept = await until(
            lambda: made.rows("event_id", "outcome = 'parked'", n=len(flood.expected)), "all kept", 120
        )
        refused = sum(sink.bodies.values())
        sink.bodies.clear()
        sink.order.clear()
        await made.apply(flow(sink.url("new")))
        flowing = asyncio.create_task(lead_events_at(made, 20, 10, fresh, prefix="N"))
        released = await asyncio.to_thread(
            shell.run, "release", "F-1", "p", "--rerender", "--rate", "200", "--yes"
        )
        assert released.returncode == 0, released.stderr
        await flowing
        everything = Load(flood.sent_at | fresh.sent_at)
        await all_arrived(everything, sink, 60, workers[0].tail())
        say(
            "parked",
            events=len(everything.expected),
            refused=refused,
            kept=len(kept),
            lost=len(lost(everything, sink)),
            repeated=doubled(sink),
        )
        assert doubled(sink) == 0
        statuses = defaultdict(list)
        for body in sink.order:
            lead, status = body.split(".")
            statuses[lead].append(status)
        assert {tuple(order) for order in statuses.values()} == {("new",), ("new", "approve")}
