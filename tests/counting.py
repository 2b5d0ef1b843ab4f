"""A small role on our Faust shell, with a table, for tests of the shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer

from app.settings import Settings
from app.stream.faust_app import RoleApp, new_app, raw_topic
from app.stream.intake import Intake, Taken, Window
from app.stream.kafka import new_producer
from app.stream.table import PartitionTable


class Counting:
    """A role that counts each key's events in a table, as JOIN keeps its leads."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings, self.producer = settings, producer
        self.app: RoleApp = new_app(settings, "join", settings.data_dir / "join")
        self.table = PartitionTable(self.app, "leads", settings.partitions)
        self.intake = Intake(self.app, Window(1000, 1 << 20))
        self.counted = 0
        self.hold: set[bytes] = set()  # values that are never finished
        self.app.quiesce = self._quiesce

        async def feed(stream: Any) -> None:
            await self.intake.feed(stream)

        self.app.agent(raw_topic(self.app, settings.topics.lead_events.name), name="count")(feed)

    async def _quiesce(self, grace_s: float) -> None:
        await self.intake.hand_over(0.2)

    async def run(self) -> None:
        while True:
            batch = await self.intake.take(100)
            for taken in batch:
                self.intake.begin(taken, 1)
            for partition in {taken.partition for taken in batch}:
                await self._count(partition, [t for t in batch if t.partition == partition])
            for taken in batch:
                if taken.value not in self.hold:
                    self.intake.finish(taken)
            self.counted += len(batch)

    async def _count(self, partition: int, batch: list[Taken]) -> None:
        entries: dict[bytes, bytes | None] = {}
        for taken in batch:
            key = taken.key or b""
            before = entries.get(key) or self.table.get(partition, key) or b"0"
            entries[key] = b"%d" % (int(before) + 1)
        sends = [
            await self.producer.send(self.table.changelog, value, key=key, partition=partition)
            for key, value in entries.items()
        ]
        offset = max(sent.offset for sent in await asyncio.gather(*sends))
        self.table.put(partition, entries, offset)

    def stored(self) -> dict[tuple[int, bytes], bytes]:
        return {
            (p, key): value for p in self.table.assigned() for key, value in self.table.items(p, b"", 1000)
        }


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def counting(
    settings: Settings, before: Callable[[Counting], object] = lambda _: None
) -> AsyncIterator[Counting]:
    """Run the role; `before` gets it before it starts."""
    async with producing(settings) as producer:
        role = Counting(settings, producer)
        before(role)
        tasks = [asyncio.create_task(role.app.start()), asyncio.create_task(role.run())]
        try:
            yield role
        finally:
            await role.app.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Any, what: str, timeout_s: float = 40) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.05)
            return
    raise AssertionError(f"did not happen: {what}")
