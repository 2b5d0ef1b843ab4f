"""Faust's consumer, with what of it is replaced: where it runs, its inner loop, and what it commits.

- It runs on the role's own event loop. Faust runs it in a thread with a second loop: two loops share one
  GIL, and each step of either waits for it.
- What a poll brings goes to the role's intake as whole lists. Faust makes two tasks, a message, an event and
  an entry of a queue of each record. Changelogs are not its business (`app/stream/recovery.py`).
- It ignores Faust's acks, which a skipped message of an old generation makes as well as a finished one, and
  commits what the ledgers released.
- While a rebalance goes on Faust hands out records of streams before it seeks to their committed offsets,
  with tables not yet recovered: they are dropped, and each partition begins at its committed offset
  afterwards.

Upstream it would take: a consumer that may run without a thread; a callback for the records of one partition
of a poll; `Consumer.ack` as a policy that can be replaced; no record of a stream between a revoke and the
seek. It leans on private parts of Faust, mode and aiokafka, which are locked to their versions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.errors import ConsumerStoppedError, IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.utils.futures import maybe_async

from app.kit.logs import logger
from app.stream.fetching import Fetching

Receive = Callable[[Any, Sequence[Any]], None]
"""Takes a topic partition and the records (aiokafka's) that a poll brought of it, in order."""

_FETCH_MAX_WAIT_MS = 200
_POLL_S = 1.0
_BACKOFF_S = 0.005


class LedgerConsumer(driver.Consumer):
    """The consumer of one role."""

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

    async def verify_all_partitions_active(self) -> None:
        """The watchdog's business (faust-streaming#503: idle partitions are called stuck)."""

    async def _drain_messages(self, fetcher: Any) -> None:
        """Read until told to stop; Faust runs it as a task, which it cancels at a rebalance."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                await self._read()
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    async def _read(self) -> None:
        """One poll. Records that were taken from aiokafka are on their way before anything else happens."""
        if self._begun_after != self._revokes and not self.app.rebalancing:
            await self._begin_at_committed()
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return
        records = await self._thread.fetch(self._get_active_partitions())
        for tp, batch in records.items():
            self._hand_out(tp, batch)

    def take(self, fetching: Fetching) -> None:
        """Hand out what a fetch has brought, unless `_read` has something to do before."""
        is_reading = self.flow_active and not self._stopped.is_set() and not self.app.rebalancing
        if is_reading and self._begun_after == self._revokes:
            for tp, batch in fetching.taken(self._get_active_partitions()):
                self._hand_out(tp, batch)

    def _hand_out(self, tp: Any, records: list[Any]) -> None:
        if self._begun_after != self._revokes:
            return
        if tp in self._beginning:
            self._beginning.discard(tp)
            self._check_begin(tp, records[0].offset)
        read = self._read_offset[tp]
        if read is not None and records[0].offset < read:
            records = [record for record in records if record.offset >= read]
        if records:
            self._read_offset[tp] = records[-1].offset
            self.app.receivers[tp.topic](tp, records)

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
        """Take a first record before the committed offset, else all up to there is passed over.

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

    def on_buffer_full(self, tp: Any) -> None:
        """Read no more of a partition, by Faust's own name: given aiokafka's it fails later."""
        super().on_buffer_full(TP(*tp))

    def on_buffer_drop(self, tp: Any) -> None:
        """Read a partition again, at once."""
        super().on_buffer_drop(TP(*tp))
        self._thread.wake()

    def resume_partitions(self, tps: Iterable[Any]) -> None:
        """Faust's, at once."""
        super().resume_partitions(tps)
        self._thread.wake()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Hand over: `quiesce` and commit inside, then forget what was released."""
        self._revokes += 1
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._released.pop(tp, None)

    def _new_consumer_thread(self) -> OnLoop:
        return OnLoop(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)


class OnLoop(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread without a thread: what it asks of its thread is done at once.

    Fetches come back sooner: what else it asks of a broker waits behind them. With Faust's 1.5 s a recovery,
    which asks for offsets twice, waited for up to 3 s with nothing to read.
    """

    async def maybe_start(self) -> bool:
        """As a service's that has no thread."""
        if self._started.is_set():
            return False
        await self.start()
        return True

    async def start(self) -> None:
        """Likewise; the rest of mode takes it for a thread that runs."""
        self._thread_started.set()
        await self._default_start()

    async def on_start(self) -> None:
        """Fetch the other partitions soon when one of them is full: aiokafka waits 0.1 s for its reader."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        fetcher._prefetch_backoff = _BACKOFF_S
        self._fetching = fetching = Fetching(fetcher, lambda: self.consumer.take(fetching))

    async def on_stop(self) -> None:
        """Close the connections."""
        if self._consumer is not None:
            await self._consumer.stop()
        self._shutdown.set()

    async def stop(self) -> None:
        """As a service's that has no thread."""
        await Service.stop(self)

    async def crash(self, exc: BaseException) -> None:
        """Likewise."""
        await Service.crash(self, exc)

    def _stopped_set(self) -> None:
        self._stopped.set()

    def set_shutdown(self) -> None:
        """Likewise."""
        self._shutdown.set()

    async def _stop_children(self) -> None:
        await self._default_stop_children()

    async def _stop_futures(self) -> None:
        await self._default_stop_futures()

    async def _stop_exit_stacks(self) -> None:
        await self._default_stop_exit_stacks()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do it here."""
        return await maybe_async(fun(*args, **kwargs))

    async def cast_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Do it here."""
        await maybe_async(fun(*args, **kwargs))

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Told by aiokafka's coordinator, which waits."""
        await self.consumer.on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        """Likewise."""
        await self.consumer.on_partitions_assigned(assigned, generation_id)

    async def fetch(self, active: set[Any]) -> Mapping[Any, list[Any]]:
        """What has arrived of the partitions in `active`; none after a wait for more.

        It never waits once it has taken something, so that nothing is taken before a rebalance and handed on
        after it.
        """
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        self._fetching.check()
        with fetcher._subscriptions.fetch_context():
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
                return {}
            if active:  # to aiokafka an empty set is all
                found: Mapping[Any, list[Any]] = await fetcher.fetched_records(active)
                if found:
                    return found
            await self._wait_for_more(fetcher)
            return {}

    async def _wait_for_more(self, fetcher: Any) -> None:
        waiter = fetcher._create_fetch_waiter()
        timer = asyncio.get_running_loop().call_later(_POLL_S, fetcher._notify, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    def wake(self) -> None:
        """Have a `fetch` that waits come back."""
        if self._consumer is not None:
            fetcher = self._consumer._fetcher
            for waiter in list(fetcher._fetch_waiters):
                fetcher._notify(waiter)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer


class LedgerTransport(driver.Transport):
    """Faust's transport with our consumer."""

    Consumer = LedgerConsumer
