"""What the next owner of a partition reads back: attempts from the log, put-offs from the tiers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from app.messages.record import Address, LogRecord
from app.outbound.memory import read_memory
from app.stream.kafka import new_producer
from app.stream.migrate import migrate_topics
from tests.kafka import Kafka
from tests.kafka_settings import settings_for
from tests.outbound import request

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

NOW = 1_764_000_000_000
_MINUTE_MS = 60_000


def _row(request_id: str, attempt: int) -> LogRecord:
    return LogRecord(NOW, NOW, "retrying", "a", Address(1, 0), "t", request_id=request_id, attempt=attempt)


async def test_attempts_and_put_offs_since_the_first_open_request_are_known(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    tiers = [tier.topic.name for tier in settings.topics.retries]
    producer = new_producer(settings)
    await producer.start()

    async def write(topic: str, *values: object, partition: int = 1, minutes_ago: int = 1) -> None:
        at_ms = NOW - minutes_ago * _MINUTE_MS
        await producer.send_and_wait(
            topic, msgspec.json.encode(values), key=b"k", partition=partition, timestamp_ms=at_ms
        )

    copy = structs.replace(request(request_id="put off"), put_offs=1)
    steps: list[int] = []
    try:
        await write(tiers[0], structs.replace(request(request_id="long ago"), put_offs=1), minutes_ago=20)
        await write(settings.topics.log.name, _row("attempted", 2))
        await write(tiers[0], copy, structs.replace(request(request_id="retried"), attempts=1))
        await write(tiers[2], structs.replace(request(request_id="put off again", attempts=3), put_offs=4))
        await write(tiers[0], structs.replace(request(request_id="elsewhere"), put_offs=1), partition=2)
        memory = await read_memory(settings, 1, NOW, NOW, lambda: steps.append(1))
    finally:
        await producer.stop()
    assert steps, "a reading that takes minutes is no standstill"
    assert memory.knows(request(request_id="attempted", attempts=1), NOW)
    assert not memory.knows(request(request_id="attempted", attempts=2), NOW)
    assert memory.knows(request(request_id="put off"), NOW)
    assert not memory.knows(copy, NOW)
    assert memory.knows(request(request_id="put off again", attempts=3), NOW)
    for name in ("retried", "elsewhere", "long ago"):
        assert not memory.knows(request(request_id=name), NOW), name
