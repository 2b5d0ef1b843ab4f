"""What a drill prints and fails by: losses, repeats, what was in flight, latencies."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from app.messages.envelope import unpack
from app.messages.record import LogRecord
from tests.drill.load import Load
from tests.drill.sink import Sink
from tests.workers import Installation, until


def say(drill: str, **figures: Any) -> None:
    """Print one line of figures."""
    print(f"\n{drill}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()))


def lost(load: Load, sink: Sink) -> set[str]:
    """What must have arrived and has not."""
    return load.expected - set(sink.bodies)


def doubled(sink: Sink) -> int:
    """How many sends there were beyond the first of each body."""
    return sum(sink.bodies.values()) - len(sink.bodies)


async def all_arrived(load: Load, sink: Sink, timeout_s: float, told: Any = "") -> None:
    """Wait until nothing is missing."""
    await until(
        lambda: not lost(load, sink),
        lambda: f"{len(lost(load, sink))} missing, such as {sorted(lost(load, sink))[:3]}; {told}",
        timeout_s,
    )


def latencies_ms(load: Load, sink: Sink) -> list[float]:
    """From producing an event to the first arrival of its postback."""
    return [(sink.first_at[body] - at) * 1000 for body, at in load.sent_at.items() if body in sink.first_at]


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


class LogFollower:
    """Follows `postback-log`: when each event's send had its acknowledged record.

    `logged_ms` is the Kafka timestamp of the record (Unix ms), by event id.
    """

    def __init__(self, made: Installation) -> None:
        self._made = made
        self.logged_ms: dict[str, int] = {}
        self.outcomes: list[LogRecord] = []

    async def __aenter__(self) -> LogFollower:
        settings = self._made.settings
        self._consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
        await self._consumer.start()
        topic = settings.topics.log.name
        self._consumer.assign([TopicPartition(topic, p) for p in range(settings.partitions)])
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    self._read(record)

    def _read(self, record: Any) -> None:
        for value in unpack(record.value):
            row = msgspec.json.decode(value, type=LogRecord)
            self.outcomes.append(row)
            if row.attempt:
                self.logged_ms.setdefault(row.event_id, record.timestamp)


class Kills:
    """What was in flight at each kill: received by then, without an acknowledged log record by then."""

    def __init__(self, sink: Sink, follower: LogFollower) -> None:
        self._sink = sink
        self._follower = follower
        self._kills: list[tuple[int, set[str]]] = []

    def killed(self) -> None:
        """A worker was killed just now."""
        self._kills.append((round(time.time() * 1000), set(self._sink.bodies)))

    def in_flight(self) -> list[int]:
        """For each kill; to be asked when all rows are there."""
        logged = self._follower.logged_ms
        return [
            sum(1 for body in received if logged.get(body, at_ms + 1) > at_ms)
            for at_ms, received in self._kills
        ]
