"""JOIN: takes lead events in batches, folds them into leads, fires what the flows say.

The order of effects for a batch, each awaited: requests, rows and rejected events; the changelog of the
leads; the leads themselves; the acks. A crash in between repeats requests with the same ids and loses none.
While a batch is on its way the next ones are folded upon it, in memory (`lane`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import msgspec

from app.flows.config import FlowFault, parse_record
from app.flows.flow import Flow
from app.join.build import Effects, Source, join
from app.join.expire import Sweep
from app.join.lane import Lane
from app.join.rejections import Rejections
from app.join.terms import terms_of
from app.join.traced import trace
from app.kit.alarm_lines import AlarmLines
from app.kit.alarms import Alarm
from app.kit.clock import now_ms, steady_ms
from app.kit.logs import logger
from app.kit.metrics import (
    BROKEN_CONFIGS,
    EVENTS,
    FLOWS,
    FLOWS_OFFSET,
    LEADS_EXPIRED,
    REQUESTS,
    SKIPPED,
    UNFINISHED,
    UNRENDERED,
)
from app.kit.points import reach
from app.kit.secrets import Secrets
from app.kit.traces import Traces
from app.leads.lead import Lead, decode_lead, encode_lead
from app.messages.record import LogRecord
from app.settings import Settings
from app.stream.faust_app import RoleApp, raw_topic
from app.stream.intake import Intake, Taken, Window
from app.stream.kafka import PatientProducer
from app.stream.outbox import Outbox
from app.stream.reject import Rejected, reject
from app.stream.table import PartitionTable
from app.stream.watchdog import Reading
from app.stream.whole import WholeTable

_WINDOW = Window(values=1_000, bytes=16 * 1024 * 1024)
_BATCH = 64  # events folded at once, before others have their turn on the loop
_SWEEP_S = 1.0

_encoder = msgspec.json.Encoder()
_Lane = Lane[Lead, Taken]
_events = cache(EVENTS.labels)
_skipped = cache(SKIPPED.labels)  # by reasons of ours, which are few


@dataclass(slots=True)
class _Emits:
    """What the events of a batch emit, encoded, each with its key."""

    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    rows: list[tuple[bytes, bytes]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    erasures: list[tuple[bytes, bytes]] = field(default_factory=list)


class Join:
    """The role."""

    name = "join"

    def __init__(
        self,
        settings: Settings,
        app: RoleApp,
        producer: PatientProducer,
        secrets: Secrets,
        traces: Traces | None = None,
    ) -> None:
        self.app = app
        self._producer = producer
        self._intake = Intake(app, _WINDOW)
        self._leads = PartitionTable(app, "leads", settings.partitions)
        self._flows: WholeTable[Flow] = WholeTable(settings, settings.topics.flow_configs.name, _flow)
        self._requests = Outbox(producer, settings.topics.requests.name)
        self._log = Outbox(producer, settings.topics.log.name, is_patient=True)
        self._sweep = Sweep(self._leads, settings.lead_ttl_ms, _touched_at)
        self._terms = terms_of(settings, self._flows.get, secrets, dry_run=settings.sending == "dry-run")
        self._traces = traces
        self._lanes: dict[int, _Lane] = {}
        self._unfinished = UNFINISHED.labels(self.name)
        self._erasures_topic = settings.topics.erasures.name
        self._rejected_topic = settings.topics.events_rejected.name
        self._rejections = Rejections(steady_ms())
        self._alarms = AlarmLines()
        app.quiesce = self._quiesce
        app.agent(raw_topic(app, settings.topics.lead_events.name), name=self.name)(self._feed)

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """Following the flows; folding; forgetting; alarms."""
        return (self._flows.follow(), self._run(), self._expire(), self._alarms.run(self._wrong))

    def reads(self) -> Sequence[Reading]:
        """Its stream."""
        return (self.app,)

    def waits_for(self) -> list[str]:
        """Until the flows are read, the partitions assigned and their leads recovered."""
        missing = [] if self._flows.ready.is_set() else ["the flows"]
        if not self.app.is_assigned:
            missing.append("an assignment, its leads recovered")
        return missing

    def _wrong(self) -> list[Alarm]:
        return self._rejections.alarms(now_ms(), steady_ms())

    async def _feed(self, stream: Any) -> None:
        await self._intake.feed(stream)

    async def _quiesce(self, grace_s: float) -> None:
        await self._intake.hand_over(grace_s)
        lanes = [asyncio.create_task(lane.leave()) for lane in self._lanes.values()]
        self._lanes.clear()
        if lanes:
            await asyncio.wait(lanes, timeout=grace_s)

    async def _run(self) -> None:
        await self._flows.ready.wait()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    by_partition: dict[int, list[Taken]] = {}
                    for taken in await self._intake.take(_BATCH):
                        by_partition.setdefault(taken.partition, []).append(taken)
                    for partition, events in by_partition.items():
                        self._handle(self._lane(partition, events[0], group), events)
                    self._unfinished.set(self._intake.open_values())
                    await asyncio.sleep(0)  # a queue that is full is taken without waiting
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    def _lane(self, partition: int, first: Taken, group: asyncio.TaskGroup) -> _Lane:
        lane = self._lanes.get(partition)
        if lane is None or not lane.is_held():
            lane = self._lanes[partition] = Lane(
                partial(self._stored, partition),
                partial(self._write, partition),
                self._intake.finish,
                partial(self._intake.holds, first),
                group.create_task,
            )
        return lane

    def _handle(self, lane: _Lane, batch: list[Taken]) -> None:
        """One partition's events, in order, up to what they emit; the lane does the rest."""
        now, partition = now_ms(), batch[0].partition
        leads: dict[bytes, Lead | None] = {}
        emits = _Emits()
        for taken in batch:
            self._intake.begin(taken, 1)
            source = _source(taken)
            begun_ns = 0 if self._traces is None else time.time_ns()
            effects = join(source, lambda lead_id: lane.lead(lead_id.encode()), self._terms, now)
            if self._traces is not None:
                trace(self._traces, source, taken.headers, effects, begun_ns)
            if effects.lead is not None:
                key = effects.lead.lead_id.encode()
                leads[key] = effects.lead
                lane.fold(key, effects.lead)
            elif effects.erasure is not None:
                key = effects.erasure.lead_id.encode()
                leads[key] = None
                lane.fold(key, None)
                emits.erasures.append((key, _encoder.encode(effects.erasure)))
            self._note(emits, taken, source, effects)
        self._sweep.saw(partition, max(taken.timestamp_ms for taken in batch))
        lane.store(leads, batch, self._emit(partition, emits))

    def _note(self, emits: _Emits, taken: Taken, source: Source, effects: Effects) -> None:
        _events(effects.result).inc()
        for request in effects.requests:
            emits.requests.append((request.origin.lead_id.encode(), _encoder.encode(request)))
        for record in effects.records:
            if record.outcome == "skipped":
                _skipped(record.reason.partition(":")[0]).inc()
            elif record.outcome == "failed":
                UNRENDERED.inc()
                _tell(record)
            emits.rows.append((record.lead_id.encode(), _encoder.encode(record)))
        if effects.rejected is not None:
            self._rejections.note(effects.rejected, steady_ms())
            logger().warning(
                "lead event rejected: kept",
                reason=effects.rejected,
                lead=effects.records[0].lead_id,
                partition=taken.partition,
                offset=taken.offset,
                topic=self._rejected_topic,
            )
            emits.rejected.append(
                Rejected(taken.topic, source.address, taken.key, taken.value, effects.rejected, taken.headers)
            )

    def _emit(self, partition: int, emits: _Emits) -> asyncio.Future[Any] | None:
        """Send it; returns what is done when the broker has all of it."""
        sends: list[asyncio.Future[None]] = []
        if emits.requests:
            REQUESTS.inc(len(emits.requests))
            sends.append(self._requests.add_all(partition, emits.requests))
        if emits.rows:
            sends.append(self._log.add_all(partition, emits.rows))
        for key, erasure in emits.erasures:
            sent = self._producer.send_and_wait(self._erasures_topic, erasure, key=key, partition=0)
            sends.append(asyncio.ensure_future(sent))
        for one in emits.rejected:
            sends.append(asyncio.ensure_future(reject(self._producer, self._rejected_topic, one)))
        return asyncio.gather(*sends) if sends else None

    def _stored(self, partition: int, key: bytes) -> Lead | None:
        stored = self._leads.get(partition, key)
        return None if stored is None else _decoded(stored, key)

    async def _write(self, partition: int, leads: Mapping[bytes, Lead | None]) -> None:
        """Write leads (None: forget one), the changelog's ack first."""
        reach("join: emitted")
        entries = {key: None if lead is None else encode_lead(lead) for key, lead in leads.items()}
        offset = await self._producer.write(self._leads.changelog, partition, entries.items())
        reach("join: changelog written")
        if partition in self._leads.assigned():
            self._leads.put(partition, entries, offset)
        reach("join: leads written")

    async def _expire(self) -> None:
        """Forget leads whose time is over, a few each second."""
        await self._flows.ready.wait()
        while True:
            FLOWS.set(len(self._flows))
            FLOWS_OFFSET.set(self._flows.offset)
            for partition, keys in self._sweep.expired(now_ms()) if self._is_owner() else ():
                if (lane := self._lanes.get(partition)) is not None and lane.is_held():
                    LEADS_EXPIRED.inc(lane.forget(keys))
            await asyncio.sleep(_SWEEP_S)

    def _is_owner(self) -> bool:
        return self.app.is_assigned and not self.app.leaving


def _tell(record: LogRecord) -> None:
    logger().warning(
        "request cannot be rendered",
        reason=record.reason,
        request=record.request_id,
        lead=record.lead_id,
        flow=record.flow_id,
        postback=record.postback_id,
    )


def _touched_at(stored: bytes) -> int | None:
    try:
        return decode_lead(stored).touched_at
    except msgspec.DecodeError:
        return None  # the fold names it when its next event comes


def _decoded(stored: bytes, key: bytes) -> Lead | None:
    """The stored lead; one that cannot be read is named and begins anew with its next whole event."""
    try:
        return decode_lead(stored)
    except msgspec.DecodeError as error:
        logger().error("stored lead cannot be read: it is unknown now", lead=key.decode(), fault=str(error))
        return None


def _source(taken: Taken) -> Source:
    return Source(taken.topic, taken.partition, taken.offset, taken.timestamp_ms, taken.key, taken.value)


def _flow(key: str, value: bytes, offset: int) -> Flow | None:
    """A flow config from Kafka; one that cannot be read is named and the last good one stays."""
    try:
        return parse_record(key, value, version=offset)
    except FlowFault as fault:
        BROKEN_CONFIGS.inc()
        logger().error("flow config cannot be read: the last good one stays", flow=key, fault=str(fault))
        return None
