"""Hosts that hang, and postbacks with a rate: the others are sent, nothing is lost, no limit is passed."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer, never
from tests.workers import WorkerProcess, installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]


class Changing:
    """A receiver's script that can be changed while it plays."""

    def __init__(self) -> None:
        self.script = never()

    async def __call__(self, exchange: Exchange) -> None:
        await self.script(exchange)


def _flow(name: str, receiver: Receiver, **says: Any) -> dict[str, Any]:
    postback = {"id": "p", "on": ["new"], "template": receiver.url("/?lead={id}"), **says}
    return {"flow_id": name, "postbacks": [postback]}


def _metric(worker: WorkerProcess, name: str) -> float:
    lines = [line for line in worker.get("/metrics")[1].splitlines() if line.startswith(name)]
    return sum(float(line.split()[-1]) for line in lines)


async def test_a_host_that_hangs_holds_up_no_other_and_gets_all_when_it_is_back(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    sick = Changing()
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(
            installation(kafka, clickhouse, tmp_path, retry_delays="1s,2s,3s", max_in_flight="16")
        )
        hanging = await stack.enter_async_context(Receiver(sick, host="127.0.2.1"))
        good = [
            await stack.enter_async_context(Receiver(answer(200), host=f"127.0.2.{number}"))
            for number in (2, 3)
        ]
        retry = {"waits_s": [1], "max_attempts": 1_000}
        await made.apply(_flow("sick", hanging, timeout_s=2, retry=retry))
        await made.apply(*(_flow(f"good{number}", receiver) for number, receiver in enumerate(good)))
        worker = await made.start().ready()
        for part in range(20):
            sick_leads = [f"S-{part}-{number}" for number in range(20)]
            await made.send(*lead_events(sick_leads, flow_id="sick"))
            for number in range(2):
                good_leads = [f"G{number}-{part}-{lead}" for lead in range(10)]
                await made.send(*lead_events(good_leads, flow_id=f"good{number}"))
        await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=400), worker.tail)
        await until(lambda: _metric(worker, "postbacks_open_circuits") == 1, worker.tail)
        await until(lambda: _metric(worker, "postbacks_put_off_total") >= 400, worker.tail)
        assert [len(receiver.requests) for receiver in good] == [200, 200]
        assert len(hanging.requests) < 40
        assert "circuit opened" in worker.log.read_text()
        sick.script = answer(200)
        delivered = await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=800), worker.tail)
        assert len(delivered) == len(set(delivered)) == 800
        assert _metric(worker, "postbacks_open_circuits") == 0
        assert await worker.stop() == 0, worker.tail()


async def test_all_workers_together_keep_to_the_rate_of_a_postback(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    per_s, leads, arrived = 20, 300, []

    async def note(exchange: Exchange) -> None:
        arrived.append(time.monotonic())
        await answer(200)(exchange)

    async with (
        installation(kafka, clickhouse, tmp_path, retry_delays="1s,2s,3s") as made,
        Receiver(note) as receiver,
    ):
        await made.apply(_flow("F-1", receiver, rate_limit_per_s=per_s))
        workers = [await made.start(name=name).ready() for name in ("w1", "w2")]
        await made.send(*lead_events(f"L-{number}" for number in range(leads)))
        await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=leads), workers[0].tail)
        assert len(arrived) == leads
        burst, late_s = per_s, 2.0  # each worker's bucket holds its share of a second; this process may lag
        for first, at in enumerate(arrived):
            for last, until_s in enumerate(arrived[first:], start=first):
                assert last - first + 1 <= burst + per_s * (until_s - at + late_s)
        assert sum(_metric(worker, 'postbacks_put_off_total{why="rate"}') for worker in workers) > 0
        for worker in workers:
            assert _metric(worker, "postbacks_attempts_total") > 0
            assert await worker.stop() == 0, worker.tail()
