"""OUTBOUND: takes rendered requests, sends each, writes its row, and keeps what must come again.

The order of effects for one attempt: the send, what follows it (the retry's copy in its tier, or the state of
a postback that is parked, then the copy that it keeps), the row, then the ack. So a crash repeats a send at
most, never loses one; and a request whose row exists is not sent again. What cannot be sent now (`gate`) is
put off: its copy in a tier, then the ack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from prometheus_client import Counter

from app.kit.alarm_lines import AlarmLines
from app.kit.alarms import Alarm
from app.kit.clock import now_ms, steady_ms
from app.kit.logs import logger, tells_all
from app.kit.metrics import ABANDONED, ATTEMPTS, DROPPED, EXHAUSTED, SEND_S, SKIPPED, UNFINISHED
from app.kit.points import reach
from app.kit.secrets import Secrets
from app.kit.traces import Span, Traces
from app.messages.envelope import UNREADABLE, unpack
from app.messages.record import Address, LogRecord, Outcome
from app.messages.request import Request
from app.outbound.attempt import ERASED, Rows
from app.outbound.courier import Courier
from app.outbound.erased import Erasures
from app.outbound.gate import Gate
from app.outbound.health import report_of
from app.outbound.hosts.job import NOTHING, Job, Report
from app.outbound.incoming import read_request
from app.outbound.memory import Attempted, Memory, read_memory
from app.outbound.newest import Newest
from app.outbound.parked import Parking
from app.outbound.parking import kept_instead
from app.outbound.policy import Delivered, Exhausted, Parked, RetryAt, Step, next_step, overdue, put_off
from app.outbound.retries import Mover
from app.outbound.schedule import is_early
from app.outbound.tiers import Tiers
from app.outbound.traced import attributes_of, with_traceparent
from app.outbound.verdict import judge
from app.outbound.watch import Watch
from app.settings import Settings
from app.stream.faust_app import RoleApp, raw_topic
from app.stream.intake import Intake, Taken, Window
from app.stream.outbox import Outbox
from app.stream.reject import Rejected, reject
from app.stream.table import PartitionTable
from app.stream.watchdog import Reading

_WINDOW = Window(values=50_000, bytes=64 * 1024 * 1024)

_MOST_TASKS = 4_000  # writes on their way, beside what may be in flight
_TAKE = 8  # envelopes decoded at once, before others have their turn on the loop

_encoder = msgspec.json.Encoder()
_dice = Random()  # noqa: S311 – an attempt's id is to be another one each time, not to be secret


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
        traces: Traces | None = None,
    ) -> None:
        self.app = app
        self._settings = settings
        self._producer = producer
        self._intake = Intake(app, _WINDOW)
        UNFINISHED.labels(self.name).set_function(self._intake.open_values)
        self._watch = Watch()
        self._alarms = AlarmLines()
        self._gate: Gate[Item] = Gate(settings, self._start, self._handle, self._put_off, self._watch.circuit)
        self._courier = courier
        self._traces = traces
        self._log = Outbox(producer, settings.topics.log.name, is_patient=True)
        self._tiers = Tiers(producer, settings.topics)
        self._mover = Mover(settings, producer, self._tiers)
        self._newest = Newest(PartitionTable(app, "newest_delivered", settings.partitions), producer)
        self._parking = Parking(settings, producer)
        self._erasures = Erasures(settings)
        self._memories: dict[int, Memory] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._few_tasks = asyncio.Event()
        self._broken: asyncio.Future[None] | None = None
        self._quiescing = False
        self._rows = Rows(settings.topics.requests.name, settings.worker, secrets)
        app.quiesce = self._quiesce
        app.agent(raw_topic(app, settings.topics.requests.name), name=self.name)(self._feed)

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """Following states and erasures; taking and sending; moving what is due, until `stopping`; alarms."""
        return (
            self._parking.follow(),
            self._erasures.follow(),
            self._run(),
            self._mover.run(stopping),
            self._alarms.run(self._wrong),
        )

    def reads(self) -> Sequence[Reading]:
        """Requests, and what waits in the tiers."""
        return (self.app, self._mover)

    def waits_for(self) -> list[str]:
        """Until states and erasures are read, and it has partitions or knows that it has none."""
        missing = [] if self._parking.ready.is_set() else ["the postbacks' states"]
        missing += [] if self._erasures.ready.is_set() else ["the erased leads"]
        return missing if self.app.is_assigned else [*missing, "an assignment"]

    def _wrong(self) -> list[Alarm]:
        """All that is wrong now."""
        parked = self._parking.parked()
        refused = {name: state for name, state in parked.items() if state.by == self._settings.worker}
        return self._watch.alarms(now_ms(), steady_ms(), refused, set(parked))

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
                self._gate.drop_waiting()
                self._broken.cancel()
                taking.cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(taking, *self._tasks, return_exceptions=True)

    async def _take(self) -> None:
        await self._parking.ready.wait()
        await self._erasures.ready.wait()
        while True:
            await self._few()
            batch = await self._intake.take(_TAKE)
            await self._recall(batch)
            self._gate.set_share(self.app.owns(batch[0].topic), self._settings.partitions)
            for taken in batch:
                await self._gate.room()
                self._accept(taken)
            self._gate.decide()
            await asyncio.sleep(0)

    async def _few(self) -> None:
        """Wait while too much is on its way: what arrives meanwhile waits in Kafka."""
        while len(self._tasks) >= _MOST_TASKS + self._settings.max_in_flight:
            self._few_tasks.clear()
            await self._few_tasks.wait()

    async def _recall(self, batch: Sequence[Taken]) -> None:
        """Read back what was attempted in the partitions that begin in this batch."""
        first = {taken.partition: taken for taken in reversed(batch) if taken.partition not in self._memories}
        await asyncio.gather(*(self._read_memory(taken) for taken in first.values()))

    async def _read_memory(self, first: Taken) -> None:
        memory = await read_memory(self._settings, first.partition, first.timestamp_ms, now_ms(), self._go_on)
        if not self._is_given_up(first):
            self._memories[first.partition] = memory

    def _go_on(self) -> None:
        """Tell the watchdog that reading back is progress, for all that waits behind it too."""
        self.app.finished.update(list(self.app.held()))

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
        self._watch.deadlines.back(request)
        if is_early(request.due_at, request.origin.requested_at, now):
            self._start(self._delay(item, now))
        else:
            self._gate.offer(item, request)

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

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._few_tasks.set()
        assert self._broken is not None
        if self._broken.done():
            return
        if task.cancelled():
            self._broken.set_exception(RuntimeError("something cancelled a request: it would never end"))
        elif (error := task.exception()) is not None:
            self._broken.set_exception(error)

    async def _handle(self, job: Job[Item]) -> None:
        report = NOTHING
        try:
            row, report = await self._once(job.item)
        finally:
            self._gate.done(job, report)  # the next of its host and lane need not wait for the row
        if row is not None:
            await self._write(job.item, row, report)

    async def _once(self, item: Item) -> tuple[LogRecord | None, Report]:
        """Attempt a request, unless this attempt has its row; returns the row, and a report of its host."""
        if self._is_given_up(item.taken) or await self._is_repeat(item):
            return None, NOTHING
        started = now_ms()
        if (unsent := self._unsent(item, started)) is not None:
            return await self._end_unsent(item, *unsent, started), NOTHING
        return await self._send(item, started)

    async def _put_off(self, job: Job[Item], due_at_ms: int, *, alone: bool) -> None:
        """Put a request off; if it is `alone` in its lane and may not be sent anyway, it ends here."""
        item = job.item
        if self._is_given_up(item.taken) or await self._is_repeat(item):
            return
        at_ms = now_ms()
        if alone and (unsent := self._unsent(item, at_ms)) is not None:
            await self._write(item, await self._end_unsent(item, *unsent, at_ms))
            return
        again = put_off(item.request, due_at_ms, at_ms)
        if again.released >= 0:  # else a release that is run again lets a second copy go
            await self._parking.take_out(item.taken.partition, again)
        await self._wait(item.taken.partition, again, at_ms)
        reach("outbound: put off")
        if (memory := self._memories.get(item.taken.partition)) is not None:
            memory.remember_put_off(again, at_ms)
        self._intake.finish(item.taken)

    async def _is_repeat(self, item: Item) -> bool:
        """Whether what is to come of a request was done before; then it ends here."""
        memory, request = self._memories.get(item.taken.partition), item.request
        if memory is None or not memory.knows(request, now_ms()):
            return False
        if request.released >= 0 and memory.is_delivered(request, now_ms()):
            # kept again by who did not know of the delivery; of any other outcome it may be the only copy
            await self._parking.take_out(item.taken.partition, request)
        DROPPED.inc()
        self._intake.finish(item.taken)
        return True

    async def _end_unsent(self, item: Item, outcome: Outcome, reason: str, at_ms: int) -> LogRecord:
        """End a request that is not sent, but for its row."""
        if outcome == "parked":
            await self._keep(item.taken.partition, item.request)
        elif outcome == "skipped":
            SKIPPED.labels(reason.partition(":")[0]).inc()
        elif outcome == "failed":
            EXHAUSTED.labels("deadline").inc()
        if outcome == "discarded":
            row = self._rows.erased(item.request, item.source, now_ms=at_ms)
        else:
            row = self._rows.unsent(item.request, item.source, outcome, reason, now_ms=at_ms)
        self._remember(item, row)
        return row

    def _unsent(self, item: Item, at_ms: int) -> tuple[Outcome, str] | None:
        """What becomes of a request that may not be sent, and why; None when it may."""
        request = item.request
        if self._erasures.cover(request):
            return "discarded", ERASED
        if (late := overdue(request, at_ms)) is not None:
            return "failed", late
        if request.dry_run or self._settings.sending == "dry-run":
            return "skipped", "dry run"
        if (newer := self._newest.superseded_by(item.taken.partition, request)) is not None:
            return "skipped", f"superseded: the status of lead_seq {newer} was delivered before"
        if (parked := self._parking.why_kept(request)) is not None:
            return "parked", parked
        return None

    async def _send(self, item: Item, started: int) -> tuple[LogRecord, Report]:
        request = item.request
        span = self._traced(request)
        sent = request
        if span is not None and self._settings.traces_to_receivers:
            sent = with_traceparent(request, span.traceparent)
        outcome = await self._courier.send(sent)
        reach("outbound: sent")
        ended = now_ms()
        judgement = judge(outcome, request.delivery.verdict, ended)
        step = next_step(
            request, judgement, request.attempts + 1, ended, self._settings.retry_after_max_s * 1000
        )
        parks = self._parking.why_parked(request, judgement.verdict, outcome)
        if parks is not None:
            step = kept_instead(step, judgement.reason)
        SEND_S.observe(outcome.duration_ms / 1000)
        row = self._rows.attempt(
            sent,
            item.source,
            outcome,
            judgement,
            step,
            attempt_id=_dice.randbytes(16).hex(),
            started_ms=started,
            ended_ms=ended,
        )
        if span is not None:
            span.end(attributes_of(row), fault="" if row.outcome == "delivered" else row.outcome)
        if parks is not None:
            await self._parking.park(request, f"{parks}: {row.reason}")
        await self._follow(item, step, ended)
        report = report_of(outcome, judgement, self._settings.retry_after_max_s * 1000)
        self._remember(item, row)
        return row, report

    def _traced(self, request: Request) -> Span | None:
        """The span of a send, where its lead event is traced."""
        if self._traces is None or request.traceparent is None:
            return None
        return self._traces.begin("send postback", "CLIENT", request.traceparent)

    def _remember(self, item: Item, row: LogRecord) -> None:
        """Before the next of its lane begins, which may be a copy; the copy is acked behind it, if at all."""
        if (memory := self._memories.get(item.taken.partition)) is not None:
            made = Attempted(row.request_id, row.replay, row.attempt, row.outcome)
            memory.remember(made, row.logged_at)

    async def _follow(self, item: Item, step: Step, at_ms: int) -> None:
        """Keep what comes again where it waits, and remember what is asked for later."""
        request, partition = item.request, item.taken.partition
        if isinstance(step, RetryAt):
            again = msgspec.structs.replace(_attempted(request), due_at=step.at_ms)
            await self._wait(partition, again, at_ms)
            reach("outbound: retry written")
        elif isinstance(step, Parked):
            await self._keep(partition, _attempted(request))
        elif isinstance(step, Delivered):
            await self._newest.delivered(partition, request, at_ms)
        elif isinstance(step, Exhausted):
            EXHAUSTED.labels(step.limit).inc()

    async def _keep(self, partition: int, request: Request) -> None:
        """Keep a request for as long as its postback is parked."""
        await self._parking.keep(partition, request)
        self._watch.deadlines.kept(request)

    async def _wait(self, partition: int, request: Request, at_ms: int) -> None:
        """Put a request into the tier for the time until it is due."""
        self._watch.deadlines.waits(request)
        await self._tiers.add(partition, _key(request), _encoder.encode(request), request.due_at - at_ms)

    async def _delay(self, item: Item, at_ms: int) -> None:
        """Let a request that is not due wait, without an attempt or a row; one that will be late fails."""
        if self._is_given_up(item.taken) or await self._is_repeat(item):
            return
        request = item.request
        if (late := overdue(request, request.due_at)) is not None:
            EXHAUSTED.labels("deadline").inc()
            row = self._rows.unsent(request, item.source, "failed", f"due {late}", now_ms=at_ms)
            self._remember(item, row)
            await self._write(item, row)
            return
        await self._wait(item.taken.partition, request, at_ms)
        reach("outbound: delayed")
        self._intake.finish(item.taken)

    async def _write(self, item: Item, row: LogRecord, report: Report = NOTHING) -> None:
        """The row, then the ack; a released request that is not parked again is taken out before."""
        if item.request.released >= 0 and row.outcome != "parked":
            await self._parking.take_out(item.taken.partition, item.request)
        await self._log.add(item.taken.partition, _key(item.request), _encoder.encode(row))
        reach("outbound: row written")
        _attempts(row.outcome).inc()
        self._watch.wrote(row, report.kind, steady_ms())
        _tell(row)
        self._intake.finish(item.taken)

    async def _quiesce(self, grace_s: float) -> None:
        """Send nothing more, wait for what is in flight, give up the rest: its next owner reads it again."""
        self._quiescing = True
        self._intake.drop_queue()
        self._gate.drop_waiting()
        if self._tasks:
            _, open_ones = await asyncio.wait(self._tasks, timeout=grace_s)
            if open_ones:
                ABANDONED.inc(len(open_ones))
                logger().warning("sends given up while open: each may repeat", count=len(open_ones))
        self._intake.forget()
        self._watch.deadlines.forget()
        self._memories.clear()  # after a lost session somebody else sent: each assignment reads it anew
        self._quiescing = self.app.leaving


@lru_cache
def _attempts(outcome: Outcome) -> Counter:
    return ATTEMPTS.labels(outcome)


def _key(request: Request) -> bytes:
    return request.origin.lead_id.encode()


def _attempted(request: Request) -> Request:
    """A request after one more send."""
    return msgspec.structs.replace(request, attempts=request.attempts + 1, put_offs=0)


def _tell(row: LogRecord) -> None:
    """One line an attempt; what was delivered only at level debug."""
    is_good = row.outcome == "delivered"
    if is_good and not tells_all():
        return
    tell = logger().debug if is_good else logger().info
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
