"""The mover: brings requests whose wait is over from the retry topic back to `postback-requests`.

It only moves, to the same partition, with a plain consumer of its own: an agent that holds a record until
it is due would stop Faust's one consumer loop. A partition whose head is not due is paused and sought
back to it; nothing is held, so a rebalance gives nothing up. Effects before acks: an offset is committed
when the broker has the copy, and a crash in between moves it twice, which OUTBOUND's memory undoes.
"""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from app.kit.clock import now_ms
from app.kit.logs import logger
from app.kit.metrics import MOVED
from app.kit.points import reach
from app.messages.envelope import UNREADABLE, unpack
from app.settings import Settings
from app.stream.kafka import client_options
from app.topics import MAX_RECORD_BYTES

_POLL_MS = 200
_FEWEST_MS = 20  # the shortest sleep between two looks at the heads


class _Due(msgspec.Struct):
    """The part of a request that the mover needs."""

    due_at: int


_due = msgspec.json.Decoder(_Due)


class Mover:
    """Moves the records of the retry topic that are due. One a process, in the group `<prefix>-retries`."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._producer = producer
        self._waits: dict[TopicPartition, int] = {}  # paused partition → when its head is due

    async def run(self, stopping: asyncio.Event) -> None:
        """Move until `stopping`, then leave the group. Raises `KafkaError` when Kafka refuses for good."""
        consumer = AIOKafkaConsumer(
            self._settings.topics.retries.name,
            **client_options(self._settings),
            group_id=f"{self._settings.prefix}-retries",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=2 * MAX_RECORD_BYTES,
        )
        await consumer.start()
        try:
            while not stopping.is_set():
                self._resume_due(consumer)
                fetched = await consumer.getmany(timeout_ms=self._poll_ms())
                for tp, records in fetched.items():
                    await self._move(consumer, tp, records)
        finally:
            await consumer.stop()

    def _poll_ms(self) -> int:
        waits = [due - now_ms() for due in self._waits.values()]
        return max(_FEWEST_MS, min([_POLL_MS, *waits]))

    def _resume_due(self, consumer: AIOKafkaConsumer) -> None:
        assigned = consumer.assignment()
        for tp, due in list(self._waits.items()):
            if tp not in assigned:
                del self._waits[tp]
            elif due <= now_ms():
                del self._waits[tp]
                consumer.resume(tp)

    async def _move(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, records: list[ConsumerRecord[bytes, bytes]]
    ) -> None:
        moved = []
        for record in records:
            due = due_of(record.value)
            if due > now_ms():
                self._wait(consumer, tp, record.offset, due)
                break
            moved.append(record)
        if not moved:
            return
        topic = self._settings.topics.requests.name
        sends = [
            await self._producer.send(topic, r.value or b"", key=r.key, partition=tp.partition) for r in moved
        ]
        await asyncio.gather(*sends)
        reach("retries: moved")
        MOVED.inc(len(moved))
        try:
            await consumer.commit({tp: moved[-1].offset + 1})
        except (CommitFailedError, IllegalStateError) as error:
            logger().info("retries moved again by the partition's next owner", error=str(error))

    def _wait(self, consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int, due: int) -> None:
        try:
            consumer.pause(tp)
            consumer.seek(tp, offset)
        except IllegalStateError:
            return  # given up while we looked: the next owner reads it again
        self._waits[tp] = due


def due_of(envelope: bytes | None) -> int:
    """When a record of the retry topic may go back, Unix ms: when its last value is due.

    What cannot be read is due at once, and the others wait: OUTBOUND names it and keeps it.
    """
    try:
        values = unpack(envelope or b"[]")
    except UNREADABLE:
        return 0
    return max(map(_due_at, values), default=0)


def _due_at(value: msgspec.Raw) -> int:
    try:
        return _due.decode(value).due_at
    except UNREADABLE:
        return 0
