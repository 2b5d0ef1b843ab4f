"""Several workers on one machine with the embedded engines: they share, take over and come back."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.embedded import broker
from tests.clickhouse import Database
from tests.receivers import Receiver, answer
from tests.workers import Installation, installation, lead_events, until

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclasses.dataclass
class Broker:
    """All that an installation asks of Kafka."""

    bootstrap: str


@pytest.fixture
async def made(clickhouse: Database, tmp_path: Path) -> AsyncIterator[Installation]:
    async with broker.start() as (address, child):
        await child.listening()
        async with installation(Broker(address), clickhouse, tmp_path, kafka_session_timeout="4") as made:
            yield made


async def test_a_killed_worker_is_taken_over_from_and_goes_on_with_its_tables(made: Installation) -> None:
    async def delivered(count: int) -> None:
        await until(
            lambda: made.rows("lead_id", "outcome = 'delivered'", n=count),
            lambda: "".join(worker.tail() for worker in made.workers),
        )

    async with Receiver(answer(200)) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}&click={{click}}&status={{status}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link, "approve": link}})
        first = await made.start(name="w1").ready()
        second = await made.start(name="w2").ready()
        await first.ready()
        leads = [f"L-{n}" for n in range(20)]
        await made.send(*({**event, "click": {"id": "c"}} for event in lead_events(leads)))
        await delivered(20)
        first.kill()
        again = made.start(name="w1")
        await made.send(*lead_events(leads, "approve"))
        await delivered(40)
        await again.ready()
        await second.ready()
        assert await again.stop() == 0
        assert await second.stop() == 0
        targets = sorted(one.target.decode() for one in receiver.requests)
        assert targets == sorted(
            f"/pb?lead={lead}&click=c&status={status}" for lead in leads for status in ("new", "approve")
        )
