"""OUTBOUND: takes rendered requests, sends each, writes its row, and puts off what must come again.

The order of effects for one attempt: the send, what follows it (the retry's copy in its tier, or the state of
a postback that is parked, then the copy that it keeps), the row, then the ack. So a crash repeats a send at
most, never loses one; and a request whose row exists is not sent again.
"""

from __future__ import annotations

import asyncio
import secrets as randomness
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from app.kit.clock import now_ms
from app.kit.logs import logger
from app.kit.metrics import ABANDONED, ATTEMPTS, DROPPED, EXHAUSTED, IN_FLIGHT, SEND_S, SKIPPED, UNFINISHED
from app.kit.points import reach
from app.kit.secrets import Secrets
from app.messages.envelope import UNREADABLE, unpack
from app.messages.record import Address, LogRecord, Outcome
from app.messages.request import Request
from app.outbound.answers import Answer
from app.outbound.attempt import Rows
from app.outbound.courier import Courier
from app.outbound.hosts import Hosts
from app.outbound.incoming import read_request
from app.outbound.memory import Attempted, Memory, read_memory
from app.outbound.newest import Newest
from app.outbound.parked import Parking
from app.outbound.parking import kept_instead
from app.outbound.policy import Delivered, Exhausted, Parked, RetryAt, Step, next_step, overdue
from app.outbound.retries import Mover
from app.outbound.schedule import is_early
from app.outbound.tiers import Tiers
from app.outbound.verdict import judge
from app.settings import Settings
from app.stream.faust_app import RoleApp, raw_topic
from app.stream.intake import Intake, Taken, Window
from app.stream.outbox import Outbox
from app.stream.reject import Rejected, reject
from app.stream.table import PartitionTable

_WINDOW = Window(values=50_000, bytes=64 * 1024 * 1024)

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Item:
    """One request as it was taken: its record, its index within, itself."""

    taken: Taken
    index: int
    request: Request

    @property
    def source(self) -> Address:
        """Where it lies in `postback-requests`."""
        return Address(self.taken.partition, self.taken.offset, self.index)


class Outbound:
    """The role. It opens `courier` when it runs, and closes it."""

    name = "outbound"

    def __init__(
        self,
        settings: Settings,
        app: RoleApp,
        producer: AIOKafkaProducer,
        secrets: Secrets,
        courier: Courier,
    ) -> None:
        self.app = app
        self._settings = settings
        self._producer = producer
        self._intake = Intake(app, _WINDOW)
        self._hosts: Hosts[Item] = Hosts(settings.max_in_flight, settings.max_per_host)
        self._courier = courier
        self._log = Outbox(producer, settings.topics.log.name)
        self._tiers = Tiers(producer, settings.topics)
        self._mover = Mover(settings, producer, self._tiers)
        self._newest = Newest(PartitionTable(app, "newest_delivered", settings.partitions), producer)
        self._parking = Parking(settings, producer)
        self._memories: dict[int, Memory] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lanes: dict[tuple[str, str, str], asyncio.Event] = {}  # lead and postback: in flight
        self._broken: asyncio.Future[None] | None = None
        self._quiescing = False
        self._rows = Rows(settings.topics.requests.name, settings.worker, secrets)
        app.quiesce = self._quiesce
        app.agent(raw_topic(app, settings.topics.requests.name), name=self.name)(self._feed)

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """Following the states; taking and sending; moving what is due, until `stopping`."""
        return (self._parking.follow(), self._run(), self._mover.run(stopping))

    def waits_for(self) -> list[str]:
        """Until the states are read, and it has partitions or knows that it has none."""
        missing = [] if self._parking.ready.is_set() else ["the postbacks' states"]
        return missing if self.app.is_assigned else [*missing, "an assignment"]

    async def _feed(self, stream: Any) -> None:
        await self._intake.feed(stream)

    async def _run(self) -> None:
        self._broken = asyncio.get_running_loop().create_future()
        async with self._courier:
            taking = asyncio.create_task(self._take())
            try:
                await asyncio.wait((taking, self._broken), return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    taking.result()
                self._broken.result()
            finally:
                taking.cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(taking, *self._tasks, return_exceptions=True)

    async def _take(self) -> None:
        await self._parking.ready.wait()
        while True:
            batch = await self._intake.take(64)
            await self._recall(batch)
            for taken in batch:
                self._accept(taken)
            self._dispatch()

    async def _recall(self, batch: Sequence[Taken]) -> None:
        """Read back what was attempted in the partitions that begin in this batch."""
        first = {taken.partition: taken for taken in reversed(batch) if taken.partition not in self._memories}
        await asyncio.gather(*(self._read_memory(taken) for taken in first.values()))

    async def _read_memory(self, first: Taken) -> None:
        memory = await read_memory(self._settings, first.partition, first.timestamp_ms, now_ms())
        if not self._is_given_up(first):
            self._memories[first.partition] = memory

    def _accept(self, taken: Taken) -> None:
        if self._is_given_up(taken):
            return
        try:
            values = unpack(taken.value or b"")
        except UNREADABLE as error:
            self._intake.begin(taken, 1)
            self._start(self._reject(taken, taken.value, f"no envelope of requests: {error}", None))
            return
        self._intake.begin(taken, len(values))
        if not values:
            self._intake.finish(taken)
        for index, value in enumerate(values):
            try:
                item = Item(taken, index, read_request(value))
            except UNREADABLE as error:
                self._start(self._reject(taken, bytes(value), f"no request: {error}", index))
            else:
                self._offer(item)

    def _offer(self, item: Item) -> None:
        request, now = item.request, now_ms()
        if is_early(request.due_at, request.origin.requested_at, now):
            self._start(self._delay(item, now))
        else:
            self._hosts.offer(request.host, item)

    def _is_given_up(self, taken: Taken) -> bool:
        return self._quiescing or not self._intake.holds(taken)

    async def _reject(self, taken: Taken, value: bytes | None, reason: str, index: int | None) -> None:
        topic = self._settings.topics.log_rejected.name
        address = Address(taken.partition, taken.offset, index or 0)
        rejected = Rejected(
            taken.topic, address, taken.key, value, reason, taken.headers, is_part=index is not None
        )
        await reject(self._producer, topic, rejected)
        reach("outbound: rejected kept")
        logger().error("request cannot be read: kept", topic=topic, reason=reason, offset=taken.offset)
        self._intake.finish(taken)

    def _dispatch(self) -> None:
        while not self._quiescing and (item := self._hosts.take(now_ms())) is not None:
            self._start(self._handle(item))
        IN_FLIGHT.set(self._hosts.in_flight)
        UNFINISHED.labels(self.name).set(self._intake.open_values())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            assert self._broken is not None
            if not self._broken.done():
                self._broken.set_exception(error)

    async def _handle(self, item: Item) -> None:
        try:
            await self._once(item)
        finally:
            self._hosts.done(item.request.host)
            self._dispatch()

    async def _once(self, item: Item) -> None:
        """Attempt a request, behind what its lane has in flight, unless this attempt has its row."""
        request, origin = item.request, item.request.origin
        lane = (origin.lead_id, origin.flow_id, origin.postback_id)
        while (other := self._lanes.get(lane)) is not None:
            await other.wait()  # woken in the order of arrival
        if self._is_given_up(item.taken):
            return  # while it waited: the next owner sends it
        memory = self._memories.get(item.taken.partition)
        if memory is not None and memory.knows(
            request.request_id, request.replay, request.attempts + 1, now_ms()
        ):
            DROPPED.inc()
            self._intake.finish(item.taken)
            return
        ended = self._lanes[lane] = asyncio.Event()
        try:
            await self._attempt(item)
        finally:
            del self._lanes[lane]
            ended.set()

    async def _attempt(self, item: Item) -> None:
        request, started = item.request, now_ms()
        if (unsent := self._unsent(item, started)) is not None:
            outcome, reason = unsent
            if outcome == "parked":
                await self._parking.keep(item.taken.partition, request)
            elif outcome == "skipped":
                SKIPPED.labels(reason.partition(":")[0]).inc()
            elif outcome == "failed":
                EXHAUSTED.labels("deadline").inc()
            await self._write(item, self._rows.unsent(request, item.source, outcome, reason, now_ms=started))
            return
        await self._send(item, started)

    def _unsent(self, item: Item, at_ms: int) -> tuple[Outcome, str] | None:
        """What becomes of a request that may not be sent, and why; None when it may."""
        request = item.request
        if (late := overdue(request, at_ms)) is not None:
            return "failed", late
        if request.dry_run or self._settings.sending == "dry-run":
            return "skipped", "dry run"
        if (newer := self._newest.superseded_by(item.taken.partition, request)) is not None:
            return "skipped", f"superseded: the status of lead_seq {newer} was delivered before"
        if (parked := self._parking.why_kept(request)) is not None:
            return "parked", parked
        return None

    async def _send(self, item: Item, started: int) -> None:
        request = item.request
        outcome = await self._courier.send(request)
        reach("outbound: sent")
        ended = now_ms()
        judgement = judge(outcome, request.delivery.verdict, ended)
        step = next_step(
            request, judgement, request.attempts + 1, ended, self._settings.retry_after_max_s * 1000
        )
        answered = isinstance(outcome, Answer) or outcome.answer is not None
        parks = self._parking.why_parked(request, judgement.verdict, answered=answered)
        if parks is not None:
            step = kept_instead(step, judgement.reason)
        SEND_S.observe(outcome.duration_ms / 1000)
        row = self._rows.attempt(
            request,
            item.source,
            outcome,
            judgement,
            step,
            attempt_id=randomness.token_hex(16),
            started_ms=started,
            ended_ms=ended,
        )
        if parks is not None:
            await self._parking.park(request, f"{parks}: {row.reason}")
        await self._follow(item, step, ended)
        await self._write(item, row)

    async def _follow(self, item: Item, step: Step, at_ms: int) -> None:
        """Keep what comes again where it waits, and remember what is asked for later."""
        request, partition = item.request, item.taken.partition
        if isinstance(step, RetryAt):
            again = msgspec.structs.replace(request, attempts=request.attempts + 1, due_at=step.at_ms)
            await self._wait(partition, again, at_ms)
            reach("outbound: retry written")
        elif isinstance(step, Parked):
            await self._parking.keep(
                partition, msgspec.structs.replace(request, attempts=request.attempts + 1)
            )
        elif isinstance(step, Delivered):
            await self._newest.delivered(partition, request, at_ms)
        elif isinstance(step, Exhausted):
            EXHAUSTED.labels(step.limit).inc()

    async def _wait(self, partition: int, request: Request, at_ms: int) -> None:
        """Put a request into the tier for the time until it is due."""
        await self._tiers.add(partition, _key(request), _encoder.encode(request), request.due_at - at_ms)

    async def _delay(self, item: Item, at_ms: int) -> None:
        """Let a request that is not due wait, without an attempt or a row; one that will be late fails."""
        request = item.request
        if (late := overdue(request, request.due_at)) is not None:
            EXHAUSTED.labels("deadline").inc()
            await self._write(
                item, self._rows.unsent(request, item.source, "failed", f"due {late}", now_ms=at_ms)
            )
            return
        await self._wait(item.taken.partition, request, at_ms)
        reach("outbound: delayed")
        self._intake.finish(item.taken)

    async def _write(self, item: Item, row: LogRecord) -> None:
        """The row, then the ack; a released request that is not parked again is taken out before."""
        if item.request.released >= 0 and row.outcome != "parked":
            await self._parking.take_out(item.taken.partition, item.request)
        await self._log.add(item.taken.partition, _key(item.request), _encoder.encode(row))
        reach("outbound: row written")
        if (memory := self._memories.get(item.taken.partition)) is not None:
            made = Attempted(row.request_id, row.replay, row.attempt, row.outcome)
            memory.remember(made, row.logged_at)
        ATTEMPTS.labels(row.outcome).inc()
        _tell(row)
        self._intake.finish(item.taken)

    async def _quiesce(self, grace_s: float) -> None:
        """Send nothing more, wait for what is in flight, give up the rest: its next owner reads it again."""
        self._quiescing = True
        self._intake.drop_queue()
        self._hosts.drop(lambda item: True)
        if self._tasks:
            _, open_ones = await asyncio.wait(self._tasks, timeout=grace_s)
            if open_ones:
                ABANDONED.inc(len(open_ones))
                logger().warning("sends given up while open: each may repeat", count=len(open_ones))
        self._intake.forget()
        self._memories.clear()  # after a lost session somebody else sent: each assignment reads it anew
        self._quiescing = self.app.leaving


def _key(request: Request) -> bytes:
    return request.origin.lead_id.encode()


def _tell(row: LogRecord) -> None:
    """One line an attempt; what was delivered only at level debug."""
    tell = logger().debug if row.outcome == "delivered" else logger().info
    tell(
        "attempt",
        outcome=row.outcome,
        reason=row.reason,
        request=row.request_id,
        attempt=row.attempt,
        lead=row.lead_id,
        flow=row.flow_id,
        postback=row.postback_id,
        host=row.host,
        status=row.response_status,
        duration_ms=row.duration_ms,
    )
