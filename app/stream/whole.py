"""A table that every worker holds whole: a compacted topic read by a consumer without a group.

Faust's GlobalTable cannot do this: with the topic as its changelog, later changes by other producers
never reach the worker. Here the topic is read to the end it had at start before `ready`, then followed.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Generic, TypeVar

from aiokafka import ConsumerRecord, TopicPartition

from app.settings import Settings
from app.stream.kafka import new_reader
from app.stream.latest import Decode, Latest

Value = TypeVar("Value")

_FIRST_S = 1.0
_LOOKS = 10


class WholeTable(Latest[Value], Generic[Value]):
    """The latest value of each key of a one-partition topic; `ready` is set when what was in it is read."""

    def __init__(self, settings: Settings, topic: str, decode: Decode[Value]) -> None:
        super().__init__(decode)
        self._settings = settings
        self._tp = TopicPartition(topic, 0)
        self.offset = -1
        self.ready = asyncio.Event()

    async def follow(self) -> None:
        """Read the topic until cancelled. Raises aiokafka's `KafkaError` when Kafka refuses for good."""
        reader = new_reader(self._settings)
        await reader.start()
        try:
            reader.assign([self._tp])
            end = (await reader.end_offsets([self._tp]))[self._tp]
            await reader.seek_to_beginning(self._tp)
            while True:
                if not self.ready.is_set() and await reader.position(self._tp) >= end:
                    await self._begin()
                await self._look_on()
                for records in (await reader.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._apply(record)
        finally:
            await reader.stop()

    async def _begin(self) -> None:
        """Read as much as a start may wait for."""
        self.loaded()
        until = monotonic() + _FIRST_S
        while self.read_next():
            await asyncio.sleep(0)
            if monotonic() > until:
                break
        self.ready.set()

    async def _look_on(self) -> None:
        """Look through a few of those that were not read then: about a fiftieth of a core's time."""
        for _ in range(_LOOKS if self.ready.is_set() else 0):
            if not self.look_next():
                return
            await asyncio.sleep(0)

    def _apply(self, record: ConsumerRecord[bytes, bytes]) -> None:
        self.offset = record.offset
        if record.key is not None:
            self.put(record.key.decode("utf-8", "replace"), record.value, record.offset)


async def read_whole(settings: Settings, topic: str, decode: Decode[Value]) -> dict[str, Value]:
    """The latest values of a one-partition topic as they are now. Raises aiokafka's `KafkaError`."""
    table = WholeTable(settings, topic, decode)
    following = asyncio.create_task(table.follow())
    ready = asyncio.create_task(table.ready.wait())
    await asyncio.wait((following, ready), return_when=asyncio.FIRST_COMPLETED)
    for task in (following, ready):
        task.cancel()
    results = await asyncio.gather(following, ready, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]
    return dict(table)
