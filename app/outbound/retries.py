"""The mover: brings requests that wait in the tiers one hop on, or back to `postback-requests`.

It only moves, to the same partition, with a plain consumer of its own: an agent that holds a record until
it is due would stop Faust's one consumer loop. A partition whose head has to stay is paused and sought
back to it; nothing is held, so a rebalance gives nothing up. Effects before acks: an offset is committed
when the broker has the copies, and a crash in between moves them twice, which OUTBOUND's memory undoes.
Tiers that the settings do not name any more are emptied like the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from app.kit.clock import now_ms
from app.kit.delays import delay_ms
from app.kit.logs import logger
from app.kit.metrics import MOVED
from app.kit.points import reach
from app.messages.envelope import UNREADABLE, unpack
from app.outbound.tiers import Tiers
from app.settings import Settings
from app.stream.kafka import client_options, topic_names
from app.stream.outbox import Outbox
from app.topics import retries_prefix

_POLL_MS = 200
_FEWEST_MS = 20  # the shortest sleep between two looks at the heads
_FETCHED_BYTES = 256 * 1024  # of one partition; what is not due yet is fetched again later

_Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


class _Due(msgspec.Struct):
    """The part of a request that the mover needs."""

    due_at: int


_due = msgspec.json.Decoder(_Due)


@dataclass(frozen=True, slots=True)
class _Head:
    """What is known of a paused partition's first record; `looked_ms` is when it was looked at."""

    timestamp_ms: int
    last_due_ms: int
    looked_ms: int


class Mover:
    """Moves the records of the retry topics. One a process, in the group `<prefix>-retries`."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, tiers: Tiers) -> None:
        self._settings = settings
        self._producer = producer
        self._tiers = tiers
        self._requests = Outbox(producer, settings.topics.requests.name)
        self.finished: Counter[TopicPartition] = Counter()  # records moved on
        self._consumer: AIOKafkaConsumer | None = None
        self._delays_ms: dict[str, int] = {}  # by topic
        self._heads: dict[TopicPartition, _Head] = {}
        self._moving: dict[TopicPartition, int] = {}  # by partition, the first that is on its way

    async def run(self, stopping: asyncio.Event) -> None:
        """Move until `stopping`, then leave the group. Raises `KafkaError` when Kafka refuses for good."""
        self._delays_ms = self._tiers_of(await topic_names(self._settings))
        # Given topics here, it waits until it knows their partitions: else it could be assigned none of them.
        consumer = AIOKafkaConsumer(
            *self._delays_ms,
            **client_options(self._settings),
            group_id=f"{self._settings.prefix}-retries",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(self._settings.kafka_session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._settings.kafka_session_timeout_s * 200),
            max_poll_interval_ms=7 * 86_400_000,  # it may wait for Kafka, and a member that left never joins
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=_FETCHED_BYTES,
        )
        await consumer.start()
        self._consumer = consumer
        try:
            while not stopping.is_set():
                self._resume(consumer)
                fetched = await consumer.getmany(timeout_ms=self._poll_ms())
                await self._move(consumer, fetched)
        finally:
            self._consumer = None
            await consumer.stop()

    def held(self) -> dict[TopicPartition, int]:
        """The partitions whose head is not known to have to stay, with the offset of the next to move."""
        subscription = self._consumer._subscription.subscription if self._consumer else None
        if subscription is None or subscription.assignment is None:
            return {}
        states = {
            tp: subscription.assignment.state_value(tp)
            for tp in subscription.assignment.tps
            if tp not in self._heads
        }
        positions = {tp: state.position if state.has_valid_position else 0 for tp, state in states.items()}
        return {tp: self._moving.get(tp, position) for tp, position in positions.items()}

    def _tiers_of(self, topics: set[str]) -> dict[str, int]:
        """The delays of the tiers: those of the settings, and those among the broker's `topics`."""
        prefix = retries_prefix(self._settings.prefix)
        found = {name: delay_ms(name.removeprefix(prefix)) for name in topics if name.startswith(prefix)}
        old = {name: delay for name, delay in found.items() if delay is not None}
        return old | {tier.topic.name: tier.delay_ms for tier in self._settings.topics.retries}

    def _poll_ms(self) -> int:
        now = now_ms()
        return max(_FEWEST_MS, min([_POLL_MS, *(self._leaves_at(tp, now) - now for tp in self._heads)]))

    def _leaves_at(self, tp: TopicPartition, now: int) -> int:
        head, delay, ladder = self._heads[tp], self._delays_ms[tp.topic], self._tiers.ladder
        # Others fall due meanwhile: a partition is not fetched again for each of them.
        soonest = min(head.looked_ms, now) + ladder.slack_ms(delay) // 5
        return max(soonest, ladder.leaves_at(delay, head.timestamp_ms, head.last_due_ms, now))

    def _resume(self, consumer: AIOKafkaConsumer) -> None:
        assigned, now = consumer.assignment(), now_ms()
        for tp in list(self._heads):
            if tp not in assigned:
                del self._heads[tp]
            elif self._leaves_at(tp, now) <= now:
                del self._heads[tp]
                consumer.resume(tp)

    async def _move(
        self, consumer: AIOKafkaConsumer, fetched: Mapping[TopicPartition, Sequence[_Record]]
    ) -> None:
        copies: list[asyncio.Future[Any]] = []
        read_to: dict[TopicPartition, int] = {}
        self._moving = {tp: records[0].offset for tp, records in fetched.items()}
        for tp, records in fetched.items():
            for record in records:
                dues, now = dues_of(record.value), now_ms()
                head = _Head(record.timestamp, max(dues, default=0), now)
                delay = self._delays_ms[tp.topic]
                if self._tiers.ladder.leaves_at(delay, head.timestamp_ms, head.last_due_ms, now) > now:
                    self._wait(consumer, tp, record.offset, head)
                    break
                copies += await self._copies(tp.partition, record, dues, now)
                read_to[tp] = record.offset + 1
                self.finished[tp] += 1
                MOVED.labels(tp.topic.rpartition(".")[2]).inc(len(dues))
        if read_to:
            await asyncio.gather(*copies)
            reach("retries: moved")
            await self._commit(consumer, read_to)
        self._moving = {}

    async def _copies(
        self, partition: int, record: _Record, dues: Sequence[int], now: int
    ) -> list[asyncio.Future[Any]]:
        """Each value to its next tier or back; what is no envelope goes back as it is."""
        key, envelope = record.key or b"", record.value or b""
        if not dues:
            requests = self._settings.topics.requests.name
            return [await self._producer.send(requests, envelope, key=key, partition=partition)]
        return [
            self._requests.add(partition, key, bytes(value))
            if due <= now
            else self._tiers.add(partition, key, bytes(value), due - now)
            for value, due in zip(unpack(envelope), dues, strict=True)
        ]

    async def _commit(self, consumer: AIOKafkaConsumer, read_to: Mapping[TopicPartition, int]) -> None:
        owned = consumer.assignment()
        try:
            await consumer.commit({tp: offset for tp, offset in read_to.items() if tp in owned})
        except (CommitFailedError, IllegalStateError) as error:
            logger().info("retries moved again by the partition's next owner", error=str(error))

    def _wait(self, consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int, head: _Head) -> None:
        try:
            consumer.pause(tp)
            consumer.seek(tp, offset)
        except IllegalStateError:
            return  # given up while we looked: the next owner reads it again
        self._heads[tp] = head


def dues_of(envelope: bytes | None) -> list[int]:
    """When each value of a record of a retry topic is due, Unix ms; empty for what is no envelope of any.

    What cannot be read is due at once: OUTBOUND names it and keeps it.
    """
    try:
        return [_due_at(value) for value in unpack(envelope or b"[]")]
    except UNREADABLE:
        return []


def _due_at(value: msgspec.Raw) -> int:
    try:
        return _due.decode(value).due_at
    except UNREADABLE:
        return 0
