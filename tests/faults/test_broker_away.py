"""Kafka is away for longer than its clients wait for an answer: what was on its way is written once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

import app.stream.kafka
from app.kit.clock import now_ms
from app.messages.envelope import unpack
from app.outbound.retries import Mover
from app.outbound.tiers import Tiers
from app.stream.kafka import new_producer
from app.stream.migrate import migrate_topics
from app.stream.outbox import Outbox
from tests.kafka import start_kafka
from tests.kafka_settings import settings_for
from tests.workers import read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

_TIMEOUT_MS = 2_000
_AWAY_S = 6


async def test_a_broker_that_is_away_fails_no_outbox_and_no_mover_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("kafka")  # skips, or fails, where Apache Kafka cannot be had
    monkeypatch.setattr(app.stream.kafka, "_REQUEST_TIMEOUT_MS", _TIMEOUT_MS)
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = await asyncio.to_thread(start_kafka, folder)
    settings = settings_for(broker, tmp_path, retry_delays="1s,2s")
    await migrate_topics(settings)
    producer = new_producer(settings)
    await producer.start()
    tiers = Tiers(producer, settings.topics)
    stopping = asyncio.Event()
    moving = asyncio.create_task(Mover(settings, producer, tiers).run(stopping))
    try:
        log = Outbox(producer, settings.topics.log.name)
        wanted: list[bytes] = []
        acks: list[asyncio.Future[None]] = []
        waits = [b'{"n":%d,"due_at":%d}' % (n, now_ms() + n * 100) for n in range(200)]
        acks += [tiers.add(n % 4, b"k", value, n * 100) for n, value in enumerate(waits)]

        async def write(count: int) -> None:
            for _ in range(count):
                wanted.append(msgspec.json.encode({"n": len(wanted), "filler": "x" * 20_000}))
                acks.append(log.add(0, b"k", wanted[-1]))
                await asyncio.sleep(0.005)

        await write(200)
        broker.kill()
        await write(200)
        await asyncio.sleep(_AWAY_S)
        assert not moving.done()
        await asyncio.to_thread(broker.start_again)
        await write(200)
        async with asyncio.timeout(60):
            await asyncio.gather(*acks)
        written = await read_topic(settings, settings.topics.log.name)
        assert [bytes(value) for record in written for value in unpack(record.value)] == wanted
        async with asyncio.timeout(60):
            while len(back := await read_topic(settings, settings.topics.requests.name)) < 1 or (
                sum(len(unpack(record.value)) for record in back) < len(waits)
            ):
                await asyncio.sleep(0.2)
        values = [bytes(value) for record in back for value in unpack(record.value)]
        assert set(values) == set(waits)
        assert not moving.done()
    finally:
        stopping.set()
        await moving
        await producer.stop()
        broker.kill()
