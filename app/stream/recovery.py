"""Tables are recovered here: their changelogs are read straight into RocksDB before a partition begins.

Faust's recovery takes one record at a time through its queues, 4,600 a second. It stays as it is up to the
point where it would read, finds nothing to do, and comes here before it lets the streams go on. What a
changelog holds is the truth: a partition that knows offsets beyond its end is of a topic that was made anew
(its records speak of other leads), and is emptied first.
Upstream would have to let a table recover itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

import rocksdict
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.tables import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery

from app.kit.logs import logger

_MOST_RECORDS = 2_000  # written at once, before others have their turn on the loop
_TRY_AGAIN_S = 1.0


class ChangelogRecovery(Recovery):
    """Faust's recovery, except that it does not read: `recover` does, before a rebalance counts as over."""

    _reading: asyncio.Task[None] | None = None

    def need_recovery(self) -> bool:
        """Nothing of it is Faust's work."""
        return False

    async def _build_highwaters(self, *_: Any) -> None:
        pass

    async def _build_offsets(self, *_: Any) -> None:
        pass

    async def _seek_offsets(self, *_: Any) -> None:
        pass

    async def on_rebalance(self, assigned: Any, *more: Any, **named: Any) -> None:
        """Faust's; its consumer, which has the changelogs assigned, is not to fetch what nobody takes."""
        changelogs = [tp for tp in assigned if tp.topic in self.tables.changelog_topics]
        await self.app.consumer._thread.call_thread(self._pause, changelogs)
        await super().on_rebalance(assigned, *more, **named)

    async def _pause(self, changelogs: list[Any]) -> None:
        consumer = self.app.consumer._thread._ensure_consumer()
        with contextlib.suppress(IllegalStateError):  # the next rebalance came first
            consumer.pause(*(TopicPartition(*tp) for tp in changelogs))

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Read no further: from now on a store may be the next owner's."""
        if self._reading is not None:
            self._reading.cancel()

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Read the changelogs, then begin. Raises `RebalanceAgain` when a rebalance comes first."""
        stores = {tp: self.tp_to_table[tp].data for tp in self.active_tps}
        self._reading = asyncio.create_task(recover(self.app.new_reader, stores))
        try:
            await asyncio.wait([self._reading])
        finally:
            self._reading.cancel()
        if self._reading.cancelled():
            raise RebalanceAgain
        self._reading.result()
        await super().on_recovery_completed(generation_id)


class Tables(TableManager):
    """Faust's table manager with our recovery."""

    _recovery: ChangelogRecovery | None = None

    @property
    def recovery(self) -> ChangelogRecovery:
        """The recovery of all tables of the app."""
        if self._recovery is None:
            self._recovery = ChangelogRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


async def recover(new_reader: Callable[[], AIOKafkaConsumer], stores: Mapping[Any, Any]) -> None:
    """Bring the stores of Faust topic partitions up to the ends that their changelogs have now.

    Waits for a Kafka that is away; raises aiokafka's `KafkaError` when it refuses for good.
    """
    while stores:
        reader = new_reader()
        try:
            await reader.start()
            await _read(reader, {TopicPartition(*tp): store for tp, store in stores.items()})
        except KafkaError as error:
            if not error.retriable:
                raise
            logger().warning("tables wait for Kafka", fault=str(error))
            await asyncio.sleep(_TRY_AGAIN_S)
        else:
            return
        finally:
            await reader.stop()


async def _read(reader: AIOKafkaConsumer, stores: Mapping[TopicPartition, Any]) -> None:
    began_s, count = time.monotonic(), 0
    left = await _seek(reader, stores)
    reader.pause(*(stores.keys() - left.keys()))
    while left:
        found = await reader.getmany(timeout_ms=200, max_records=_MOST_RECORDS)
        for tp, records in found.items():
            write(stores[tp], tp.partition, {r.key: r.value for r in records}, records[-1].offset)
            count += len(records)
        for tp in [tp for tp, end in left.items() if await reader.position(tp) >= end]:
            del left[tp]
            reader.pause(tp)
        await asyncio.sleep(0)
    if count:
        logger().info("tables recovered", records=count, seconds=round(time.monotonic() - began_s, 1))


async def _seek(reader: AIOKafkaConsumer, stores: Mapping[TopicPartition, Any]) -> dict[TopicPartition, int]:
    """Seek each partition behind what its store holds; returns the ends of those that lack something."""
    reader.assign(list(stores))
    ends = await reader.end_offsets(list(stores))
    begins = await reader.beginning_offsets(list(stores))
    left = {}
    for tp, store in stores.items():
        following = _following(tp, store, ends[tp])
        reader.seek(tp, max(following, begins[tp]))
        if max(following, begins[tp]) < ends[tp]:
            left[tp] = ends[tp]
    return left


def _following(tp: TopicPartition, store: Any, end: int) -> int:
    """The offset behind what a store holds."""
    persisted = store.persisted_offset(tp)
    if persisted is None:
        return 0
    if persisted < end:
        return int(persisted) + 1
    logger().error(
        "the table is beyond the end of its changelog: the topic was made anew, the table is read from it",
        topic=tp.topic,
        partition=tp.partition,
        table=persisted,
        end=end,
    )
    _empty(store, tp.partition)
    return 0


def _empty(store: Any, partition: int) -> None:
    store._dbs.pop(partition).close()
    shutil.rmtree(store.partition_path(partition))
    store._db_for_partition(partition)


def write(store: Any, partition: int, entries: Mapping[bytes, bytes | None], offset: int) -> None:
    """Write entries (None deletes) of a changelog's partition up to `offset`, which is remembered."""
    batch = rocksdict.WriteBatch(raw_mode=True)
    for key, value in entries.items():
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    batch.put(store.offset_key, b"%d" % offset)
    store._db_for_partition(partition).write(batch)
