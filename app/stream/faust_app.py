"""A Faust app of ours: Faust keeps group, assignment, tables and recovery; our ledgers say what is committed.

What is replaced is here, and only here. The consumer ignores Faust's acks, which a skipped message of an
old generation makes as well as a finished one, and commits what the ledgers released. While a rebalance
goes on Faust hands out records of streams before it seeks to their committed offsets, with tables not yet
recovered: they are dropped, and each partition begins at its committed offset afterwards. And before a
partition is given up, or at a stop, `quiesce` has `grace_s` (Faust waits for ever, or not at all; once it
stops, a rebalance makes it hand over at once: `leave` finishes what is in flight before).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from app.kit.logs import logger
from app.settings import Settings
from app.stream.kafka import tls_context
from app.topics import MAX_RECORD_BYTES

_FETCH_MAX_WAIT_MS = 200
Quiesce = Callable[[float], Awaitable[None]]
"""Start nothing, finish what is in flight within so many seconds, forget the rest."""


class LedgerConsumer(driver.Consumer):
    """Faust's consumer, except that only `release` moves what it commits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._released: dict[Any, int] = {}
        self._revokes = 0
        self._beginning: set[Any] = set()  # streams of which nothing was handed out since they began
        self._begun_after = -1  # the revoke after which the streams began at their committed offsets

    def release(self, tp: Any, offset: int) -> None:
        """Let `offset` (the next to read) of a topic partition be committed."""
        self._released[tp] = offset

    def done(self, tp: Any) -> int:
        """The offset up to which a partition is finished; 0 when nothing of it ever was."""
        return self._released.get(tp, self._committed_offset[tp]) or 0

    def held(self) -> dict[Any, int]:
        """The partitions of streams that are assigned, with the offset up to which each is finished."""
        return {tp: self.done(tp) for tp in self.assignment() if not self._is_changelog_tp(tp)}

    def ack(self, message: Any) -> bool:
        """Faust's ack: forgotten, so that it cannot commit past unfinished work."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterable[Any]:
        return list(self._released)

    def _new_offset(self, tp: Any) -> int | None:
        return self._released.get(tp)

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Gaps are the ledgers' business."""

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109 - Faust's
        """Fetch; records of streams are handed out only once their partitions have begun."""
        if self._begun_after != self._revokes and not self.app.rebalancing:
            await self._begin_at_committed()
        async for tp, message in super().getmany(timeout):
            if self._is_changelog_tp(tp):
                yield tp, message
            elif self._begun_after == self._revokes:
                if tp in self._beginning:
                    self._beginning.discard(tp)
                    self._check_begin(tp, message.offset)
                yield tp, message

    async def _begin_at_committed(self) -> None:
        revokes = self._revokes
        streams = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        try:
            if streams:  # a worker beyond the number of partitions has none
                await self.perform_seek()
            for tp in streams:
                if self._read_offset[tp] is None:
                    await self.seek(tp, 0)  # never committed: from the beginning, or what is left of it
        except IllegalStateError:
            return  # the next rebalance came first
        self._beginning = set(streams)
        self._begun_after = revokes

    def _check_begin(self, tp: Any, offset: int) -> None:
        """Take a first record before the committed offset: Faust would pass over all up to there.

        So begins a partition whose topic was made anew, and one that lost its end with its leader.
        """
        committed = self._read_offset[tp]
        if committed is None or offset >= committed:
            return
        self._read_offset[tp] = self._committed_offset[tp] = None
        logger().error(
            "the committed offset is beyond the end: the topic was made anew, it is read from its beginning",
            topic=tp.topic,
            partition=tp.partition,
            committed=committed,
            first=offset,
        )

    def on_buffer_drop(self, tp: Any) -> None:
        """Fetch a partition again, by Faust's own name: given aiokafka's it fails at the next full buffer."""
        super().on_buffer_drop(TP(*tp))

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Hand over: `quiesce` and commit inside, then forget what was released."""
        self._revokes += 1
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._released.pop(tp, None)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's thread, whose fetches come back sooner: what else it asks of a broker waits behind them.

    With Faust's 1.5 s a recovery, which asks for offsets twice, waited for up to 3 s with nothing to read.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer


class LedgerTransport(driver.Transport):
    """Faust's transport with our consumer."""

    Consumer = LedgerConsumer


class RoleApp(faust.App):
    """The app of one role, which sets `quiesce` before the start.

    `grace_s` is the time that a rebalance leaves for what is in flight; a stop sets another.
    """

    quiesce: Quiesce
    grace_s: float
    finished: Counter[Any]  # values finished so far, by topic partition
    leaving = False  # nothing new is taken any more, whatever is assigned

    @property
    def is_assigned(self) -> bool:
        """Whether it has its partitions, recovered, or knows that it has none."""
        return bool(self.rebalancing_count) and not self.rebalancing

    def held(self) -> dict[Any, int]:
        """As its consumer's."""
        held: dict[Any, int] = self.consumer.held()
        return held

    async def leave(self, grace_s: float) -> None:
        """Take nothing more, finish what is in flight within `grace_s`, commit, then stop.

        Until then the app is a member of its group like any other, so that a rebalance waits for it.
        """
        self.leaving = True
        self.grace_s = grace_s
        if self.is_assigned:
            await self._consumer_wait_empty(self.consumer, self.log)
        await self.stop()

    def owns(self, topic: str) -> int:
        """How many partitions of a topic it has."""
        return sum(tp.topic == topic for tp in self.consumer.assignment())

    def _new_transport(self) -> LedgerTransport:
        return LedgerTransport(self.conf.broker_consumer, self)

    async def _consumer_wait_empty(self, consumer: LedgerConsumer, logger: Any) -> None:
        """Called at a revoke and at a stop, when nothing new arrives any more."""
        await self.quiesce(self.grace_s)
        if not await consumer.commit():  # another commit was under way and took less
            await consumer.commit()


def new_app(settings: Settings, role: str, data_dir: Path) -> RoleApp:
    """The Faust app `<prefix>-<role>`; its tables lie in `data_dir`."""
    app = RoleApp(
        f"{settings.prefix}-{role}",
        broker=";".join(f"aiokafka://{server}" for server in settings.kafka.split(",")),
        broker_credentials=_credentials(settings),
        store="rocksdb://",
        datadir=str(data_dir),
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=2 * MAX_RECORD_BYTES,
        producer_max_request_size=MAX_RECORD_BYTES,
        broker_session_timeout=settings.kafka_session_timeout_s,
        broker_heartbeat_interval=settings.kafka_session_timeout_s / 5,
        broker_commit_interval=0.2,
        broker_request_timeout=30.0,
        broker_rebalance_timeout=60.0,
        # Full windows stop the fetching for as long as a receiver or ClickHouse is slow, and a member that
        # did not poll for this long leaves its group and never joins again.
        broker_max_poll_interval=7 * 86_400.0,
        table_standby_replicas=0,
        stream_buffer_maxsize=512,
        stream_wait_empty=False,
        web_enabled=False,
        autodiscover=False,
    )
    app.quiesce = _nothing_to_finish
    app.grace_s = settings.handover_s
    app.finished = Counter()
    return app


async def _nothing_to_finish(grace_s: float) -> None:
    """A role that has not started holds nothing."""


def _credentials(settings: Settings) -> Any:
    auth = settings.kafka_auth
    context = tls_context(auth)
    if auth.protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=auth.username,
            password=auth.password,
            mechanism=auth.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context else None


def raw_topic(app: RoleApp, name: str) -> Any:
    """A topic whose keys and values stay the bytes they are; null values arrive too."""
    return app.topic(
        name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )
