"""The mover on Apache Kafka: what waits comes back to its partition, never early, and blocks no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from app.kit.clock import now_ms
from app.messages.envelope import unpack
from app.outbound.retries import Mover
from app.outbound.tiers import Tiers
from app.settings import Settings
from app.stream.kafka import new_producer
from app.stream.migrate import migrate_topics
from tests.kafka import Kafka
from tests.kafka_settings import settings_for
from tests.workers import read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

_DAY_MS = 86_400_000


@asynccontextmanager
async def moving(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A mover that runs until the end of the block; gives its producer."""
    producer = new_producer(settings)
    await producer.start()
    stopping = asyncio.Event()
    mover = Mover(settings, producer, Tiers(producer, settings.topics))
    running = asyncio.create_task(mover.run(stopping))
    try:
        yield producer
    finally:
        stopping.set()
        await asyncio.gather(running, return_exceptions=True)
        await producer.stop()
        running.result()


def _value(name: str, due_at: int) -> bytes:
    return msgspec.json.encode({"name": name, "due_at": due_at})


def _envelope(*values: bytes) -> bytes:
    return b"[" + b",".join(values) + b"]"


async def _came_back(settings: Settings) -> list[tuple[Any, dict[str, Any]]]:
    """Each value of `postback-requests` with its record."""
    records = await read_topic(settings, settings.topics.requests.name)
    return [(r, msgspec.json.decode(value)) for r in records for value in unpack(r.value)]


async def test_what_waits_comes_back_when_it_is_due_and_what_waits_long_holds_up_nobody(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path, retry_delays="1s,2s")
    await migrate_topics(settings)
    [short, long] = [tier.topic.name for tier in settings.topics.retries]
    async with moving(settings) as producer:
        now = now_ms()
        far = _value("far", now + _DAY_MS)
        for topic, stamp, values in (
            (long, now, [far]),
            (long, now + 3_000_000, [_value("by a clock ahead", now + 500)]),
            (long, now - _DAY_MS, [_value("by a clock behind", now + 900)]),
            (short, now, [_value("soon", now + 1_100), _value("late", now + 3_500)]),
            (short, now, [_value("at once", now), far]),
        ):
            await producer.send_and_wait(topic, _envelope(*values), b"k", 3, timestamp_ms=stamp)
        wanted = {"by a clock ahead", "by a clock behind", "soon", "late", "at once"}
        back = await until(lambda: _all_of(settings, wanted), "all that is due is back")
    assert len(back) == len(wanted)
    for record, value in back:
        assert (record.partition, record.key) == (3, b"k")
        assert value["due_at"] <= record.timestamp
    waiting = [r for tier in (short, long) for r in await read_topic(settings, tier)]
    hops = [r.timestamp for r in waiting if b'"far"' in r.value]
    assert max(hops) > now


async def _all_of(settings: Settings, names: set[str]) -> list[tuple[Any, dict[str, Any]]]:
    back = await _came_back(settings)
    return back if names <= {value["name"] for _, value in back} else []


async def test_a_mover_that_was_away_goes_on_where_it_was_and_empties_tiers_of_older_settings(
    kafka: Kafka, tmp_path: Path
) -> None:
    before = settings_for(kafka, tmp_path, retry_delays="1s,30s")
    await migrate_topics(before)
    now = now_ms()
    async with moving(before) as producer:
        [short, long] = [tier.topic.name for tier in before.topics.retries]
        await producer.send_and_wait(short, _envelope(_value("first", now)), b"k", 0)
        await producer.send_and_wait(long, _envelope(_value("second", now + 2_500)), b"k", 0, now - 29_000)
        await until(lambda: _all_of(before, {"first"}), "the first is back")
    after = replace(before, retry_delays=("2s",))
    await migrate_topics(after)
    async with moving(after):
        back = await until(lambda: _all_of(after, {"second"}), "the second is back")
    assert [value["name"] for _, value in back] == ["first", "second"]
    assert back[1][0].timestamp >= now + 2_500
