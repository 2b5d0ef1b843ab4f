"""Drill `lag`: a worker that starts behind hundreds of thousands of requests holds few of them at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import psutil
import pytest
from msgspec import structs

from app.kit.clock import now_ms
from app.stream.kafka import new_producer
from app.stream.outbox import Outbox
from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import say
from tests.drill.marks import drill
from tests.drill.sink import Behaviour, Sink, answers, hangs
from tests.kafka import Kafka
from tests.outbound import ORIGIN, request
from tests.workers import Installation, WorkerProcess, installation

pytestmark = drill(900)

_MIB = 1024 * 1024
_BODY = "x" * 1_000
_MOST_MIB = 250
"""What a worker may hold beyond what it needs without work; the requests of the lag alone have more."""


async def _write_lag(made: Installation, count: int, link: str) -> None:
    """Write requests as JOIN would, each of a lead of its own."""
    settings, now = made.settings, now_ms()
    producer = new_producer(settings)
    await producer.start()
    try:
        outbox = Outbox(producer, settings.topics.requests.name)
        for begin in range(0, count, 10_000):
            acks = []
            for number in range(begin, min(count, begin + 10_000)):
                lead = f"L-{number}"
                origin = structs.replace(ORIGIN, lead_id=lead, requested_at=now, occurred_at=now)
                wanted = request(
                    f"{link}?lead={lead}",
                    method="POST",
                    body=_BODY,
                    origin=origin,
                    request_id=f"{number:032x}",
                )
                value = msgspec.json.encode(wanted)
                acks.append(outbox.add(number % settings.partitions, lead.encode(), value))
            await asyncio.gather(*acks)
    finally:
        await producer.stop()


def _handled(worker: WorkerProcess) -> float:
    """How many requests it has sent or put off."""
    return worker.metric("postbacks_put_off_total") + worker.metric("postbacks_attempts_total")


@pytest.mark.parametrize(
    ("behaviour", "most"), [(hangs, 1_000_000), (answers(after_s=0.5), 200_000)], ids=["hangs", "slow"]
)
async def test_a_long_lag_behind_a_receiver_costs_no_memory(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale, behaviour: Behaviour, most: int
) -> None:
    count = int(scale.of(200_000, most))
    async with installation(kafka, clickhouse, tmp_path) as made, Sink(sick=behaviour) as sink:
        idle = await made.start("outbound").ready()
        before = psutil.Process(idle.process.pid).memory_info().rss
        assert await idle.stop() == 0
        await _write_lag(made, count, sink.url("sick"))
        worker = made.start("outbound")
        watched = psutil.Process(worker.process.pid)
        peaks: list[int] = [0]
        while (handled := _handled(worker)) < count:
            peaks[-1] = max(peaks[-1], watched.memory_info().rss)
            if handled > count * len(peaks) / 5:
                peaks.append(0)
            await asyncio.sleep(0.2)
        peak = max(peaks)
        say(
            "lag",
            requests=count,
            handled=round(handled),
            arrived=sum(sink.bodies.values()),
            idle_mib=before // _MIB,
            most_mib=peak // _MIB,
            most_by_fifths_mib=[part // _MIB for part in peaks],
        )
        assert peak - before < _MOST_MIB * _MIB
