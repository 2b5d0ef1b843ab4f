"""A Faust app of ours: Faust keeps group, assignment, tables and recovery; our ledgers say what is committed.

Its consumer is ours (`consumer`). And before a partition is given up, or at a stop, `quiesce` has `grace_s`
(Faust waits for ever, or not at all; once it stops, a rebalance makes it hand over at once: `leave` finishes
what is in flight before).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import faust

from app.settings import Settings
from app.stream.consumer import LedgerConsumer, LedgerTransport, Receive
from app.stream.kafka import new_changelog_reader, tls_context
from app.stream.recovery import Tables
from app.topics import MAX_RECORD_BYTES

Quiesce = Callable[[float], Awaitable[None]]
"""Start nothing, finish what is in flight within so many seconds, forget the rest."""


class RoleApp(faust.App):
    """The app of one role, which sets `quiesce` before the start.

    `grace_s` is the time that a rebalance leaves for what is in flight; a stop sets another.
    """

    quiesce: Quiesce
    grace_s: float
    finished: Counter[Any]  # values finished so far, by topic partition
    receivers: dict[str, Receive]  # who takes the records of a topic
    new_reader: Callable[[], Any]  # of its tables' changelogs
    leaving = False  # nothing new is taken any more, whatever is assigned

    @property
    def is_assigned(self) -> bool:
        """Whether it has its partitions, recovered, or knows that it has none."""
        return bool(self.rebalancing_count) and not self.rebalancing

    def held(self) -> dict[Any, int]:
        """As its consumer's; nothing before it has its partitions, when there may be no consumer yet."""
        held: dict[Any, int] = self.consumer.held() if self.is_assigned else {}
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
        TableManager=Tables,
    )
    app.quiesce = _nothing_to_finish
    app.grace_s = settings.handover_s
    app.finished = Counter()
    app.receivers = {}
    app.new_reader = partial(new_changelog_reader, settings)
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
