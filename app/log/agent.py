"""LOG: writes what it reads to ClickHouse in batches, and acks after the insert.

It reads `postback-log` into `postback_log`, and `lead-events` and `flow-configs` into `lead_events` and
`flow_versions`. What ClickHouse has stored already of a partition is passed over, so that a batch is never
cut differently the second time. While ClickHouse is away it waits and Kafka keeps the records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from app.kit.logs import logger
from app.kit.metrics import UNFINISHED
from app.kit.points import reach
from app.log.batch import Batch, Batcher
from app.log.rows import BadRecord, Found, Record, flow_version, lead_event, log_records
from app.log.start import GoOn, MadeAnew, left_of, where_to_go_on
from app.log.tables import FLOW_VERSIONS, LEAD_EVENTS, POSTBACK_LOG, Table
from app.log.writer import Writer
from app.settings import Settings
from app.stream.faust_app import RoleApp, raw_topic
from app.stream.intake import Intake, Taken, Window
from app.stream.reject import Rejected, reject
from app.stream.watchdog import Reading

_WINDOW = Window(values=50_000, bytes=64 * 1024 * 1024)
_CATCH_UP_S = 0.05
_IDLE_S = 1.0
_TAKE = 64  # records decoded at once, before others have their turn on the loop

_Find = Callable[[Record], Found]


class TopicMadeAnew(Exception):
    """A topic's offsets do not fit what is stored of it; the text says what to do."""


class Log:
    """The role."""

    name = "log"

    def __init__(self, settings: Settings, app: RoleApp, producer: AIOKafkaProducer) -> None:
        self.app = app
        self._settings = settings
        self._producer = producer
        self._intake = Intake(app, _WINDOW)
        self._batcher = Batcher()
        self._writer = Writer(settings.clickhouse)
        self._starts: dict[Any, GoOn] = {}
        topics = settings.topics
        self._read: dict[str, tuple[Table, _Find]] = {
            topics.log.name: (POSTBACK_LOG, log_records),
            topics.lead_events.name: (LEAD_EVENTS, lead_event),
            topics.flow_configs.name: (FLOW_VERSIONS, flow_version),
        }
        app.quiesce = self._quiesce
        for topic in self._read:
            app.agent(raw_topic(app, topic), name=f"log-{topic}")(self._feed)

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """Reading and inserting."""
        return (self._run(),)

    def reads(self) -> Sequence[Reading]:
        """Its streams."""
        return (self.app,)

    def waits_for(self) -> list[str]:
        """Until it has its partitions and ClickHouse answers."""
        missing = [] if self.app.is_assigned else ["an assignment"]
        return missing + ([self._writer.waits_for] if self._writer.waits_for else [])

    async def caught_up(self) -> None:
        """Wait until what `postback-log` holds now is stored, unless ClickHouse is away."""
        consumer = self.app.consumer
        held = [tp for tp in consumer.assignment() if tp.topic == self._settings.topics.log.name]
        ends = await consumer.highwaters(*held) if held else {}
        while not self._writer.waits_for and any(  # noqa: ASYNC110 - once, at a stop
            consumer.done(tp) < end for tp, end in ends.items()
        ):
            await asyncio.sleep(_CATCH_UP_S)

    async def _feed(self, stream: Any) -> None:
        await self._intake.feed(stream)

    async def _quiesce(self, grace_s: float) -> None:
        await self._intake.hand_over(grace_s)
        self._batcher.flush()
        self._starts.clear()

    async def _run(self) -> None:
        try:
            while True:
                for taken in await self._taken():
                    if self._intake.holds(taken):
                        await self._accept(taken)
                UNFINISHED.labels(self.name).set(self._intake.open_values())
                await self._insert(self._batcher.due(time.monotonic()))
                await asyncio.sleep(0)  # a queue that is full is taken without waiting
        finally:
            await self._writer.close()

    async def _taken(self) -> list[Taken]:
        """What has arrived, or nothing when a batch is due first."""
        due = self._batcher.next_due_s()
        try:
            async with asyncio.timeout(_IDLE_S if due is None else max(0.0, due - time.monotonic())):
                return await self._intake.take(_TAKE)
        except TimeoutError:
            return []

    async def _accept(self, taken: Taken) -> None:
        self._intake.begin(taken, 1)
        table, find = self._read[taken.topic]
        start = self._starts.get(taken.tp) or await self._start(table, taken)
        if not self._intake.holds(taken):
            return
        record = Record(taken.partition, taken.offset, taken.timestamp_ms, taken.key, taken.value)
        found = left_of(start, taken.offset, find(record))
        full = self._batcher.add(table, taken.topic, record, found, taken, time.monotonic())
        if full:
            await self._insert(full)

    async def _start(self, table: Table, taken: Taken) -> GoOn:
        """Where a partition goes on, asked with its first record."""
        highest = await self._writer.highest(table, taken.partition, since=taken.offset)
        end = max(self.app.consumer.highwater(taken.tp) or 0, taken.offset + 1)
        start = where_to_go_on(taken.topic, taken.partition, highest=highest, committed=taken.offset, end=end)
        if isinstance(start, MadeAnew):
            raise TopicMadeAnew(start.reason)
        self._starts[taken.tp] = start
        return start

    async def _insert(self, batches: Sequence[Batch]) -> None:
        """Write batches, those of one partition in their order, then ack their records."""
        by_partition: dict[tuple[str, int], list[Batch]] = {}
        for batch in batches:
            by_partition.setdefault((batch.topic, batch.partition), []).append(batch)
        await asyncio.gather(*(self._insert_in_order(held) for held in by_partition.values()))

    async def _insert_in_order(self, batches: Sequence[Batch]) -> None:
        for batch in batches:

            async def keep(bad: BadRecord, topic: str = batch.topic) -> None:
                await self._reject(topic, bad)

            await self._writer.insert(batch, keep)
            reach("log: inserted")
            for receipt in batch.receipts:
                assert isinstance(receipt, Taken)
                self._intake.finish(receipt)

    async def _reject(self, topic: str, bad: BadRecord) -> None:
        kept_in = self._settings.topics.log_rejected.name
        is_part = topic == self._settings.topics.log.name and not bad.is_whole
        rejected = Rejected(topic, bad.address, bad.key, bad.original, bad.reason, is_part=is_part)
        await reject(self._producer, kept_in, rejected)
        reach("log: rejected kept")
        logger().error(
            "log record cannot be written: kept",
            reason=bad.reason,
            topic=kept_in,
            partition=bad.address.partition,
            offset=bad.address.offset,
        )
