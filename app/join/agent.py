"""JOIN: takes lead events in batches, folds them into leads, fires what the flows say.

The order of effects for a batch, each awaited: requests, rows and rejected events; the changelog of the
leads; the leads themselves; the acks. A crash in between repeats requests with the same ids and loses none.
Within a batch a lead is folded on in memory, and stored once.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets as randomness
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from app.flows.config import FlowFault, parse_record
from app.flows.flow import Flow
from app.join.build import Effects, Source, Terms, join
from app.join.expire import Sweep
from app.join.rejections import Rejections
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
from app.leads.lead import Lead, decode_lead, encode_lead
from app.messages.record import LogRecord
from app.settings import Settings
from app.stream.faust_app import RoleApp, raw_topic
from app.stream.intake import Intake, Taken, Window
from app.stream.outbox import Outbox
from app.stream.reject import Rejected, reject
from app.stream.table import PartitionTable
from app.stream.watchdog import Reading
from app.stream.whole import WholeTable
from app.topics import DAY_MS

_WINDOW = Window(values=2_000, bytes=16 * 1024 * 1024)
_BATCH = 256
_SWEEP_S = 1.0

_encoder = msgspec.json.Encoder()
_Leads = dict[bytes, Lead]


class Join:
    """The role."""

    name = "join"

    def __init__(
        self, settings: Settings, app: RoleApp, producer: AIOKafkaProducer, secrets: Secrets
    ) -> None:
        self.app = app
        self._settings = settings
        self._producer = producer
        self._intake = Intake(app, _WINDOW)
        self._leads = PartitionTable(app, "leads", settings.partitions)
        self._flows: WholeTable[Flow] = WholeTable(settings, settings.topics.flow_configs.name, _flow)
        self._requests = Outbox(producer, settings.topics.requests.name)
        self._log = Outbox(producer, settings.topics.log.name)
        self._sweep = Sweep(self._leads, settings.lead_ttl_days * DAY_MS, _touched_at)
        self._terms = Terms(
            flow_of=self._flows.get,
            secret=secrets,
            random=lambda: randomness.token_hex(8),
            late_s=settings.late_s,
            ttl_ms=settings.lead_ttl_days * DAY_MS,
            worker=settings.worker,
            dry_run=settings.sending == "dry-run",
        )
        self._expiring = asyncio.Lock()
        self._rejections = Rejections(steady_ms())
        self._alarms = AlarmLines()
        app.quiesce = self._quiesce
        app.agent(raw_topic(app, settings.topics.lead_events.name), name=self.name)(self._feed)

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """Following the flows; folding; alarms."""
        return (self._flows.follow(), self._run(), self._alarms.run(self._wrong))

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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s), self._expiring:
                pass  # a lead that is being forgotten: later it would be the next owner's

    async def _run(self) -> None:
        await self._flows.ready.wait()
        while True:
            try:
                async with asyncio.timeout(_SWEEP_S):
                    batch = await self._intake.take(_BATCH)
            except TimeoutError:
                batch = []
            FLOWS.set(len(self._flows))
            FLOWS_OFFSET.set(self._flows.offset)
            for taken in batch:
                self._intake.begin(taken, 1)
            UNFINISHED.labels(self.name).set(self._intake.open_values())
            by_partition: dict[int, list[Taken]] = {}
            for taken in batch:
                by_partition.setdefault(taken.partition, []).append(taken)
            await asyncio.gather(*(self._handle(p, events) for p, events in by_partition.items()))
            for taken in batch:
                self._intake.finish(taken)
            await self._expire()

    async def _handle(self, partition: int, batch: list[Taken]) -> None:
        """One partition's events, in order, up to the ack."""
        if not self._intake.holds(batch[0]):
            return
        now = now_ms()
        leads: _Leads = {}
        sends: list[Coroutine[Any, Any, None] | asyncio.Future[None]] = []
        for taken in batch:
            effects = join(_source(taken), self._reader(partition, leads), self._terms, now)
            if effects.lead is not None:
                leads[effects.lead.lead_id.encode()] = effects.lead
            sends += self._emit(partition, taken, effects)
            self._sweep.saw(partition, taken.timestamp_ms)
        await asyncio.gather(*sends)
        reach("join: emitted")
        if not self._intake.holds(batch[0]):
            return  # given up meanwhile: a late write would overwrite the next owner's
        await self._store(partition, {key: encode_lead(lead) for key, lead in leads.items()})

    def _reader(self, partition: int, leads: _Leads) -> Any:
        """The lead as the batch has it by now, else as the table has it."""

        def lead_of(lead_id: str) -> Lead | None:
            key = lead_id.encode()
            if (lead := leads.get(key)) is not None:
                return lead
            stored = self._leads.get(partition, key)
            return None if stored is None else _decoded(stored, lead_id)

        return lead_of

    def _emit(
        self, partition: int, taken: Taken, effects: Effects
    ) -> list[Coroutine[Any, Any, None] | asyncio.Future[None]]:
        EVENTS.labels(effects.result).inc()
        sends: list[Coroutine[Any, Any, None] | asyncio.Future[None]] = []
        for request in effects.requests:
            REQUESTS.inc()
            sends.append(
                self._requests.add(partition, request.origin.lead_id.encode(), _encoder.encode(request))
            )
        for record in effects.records:
            if record.outcome == "skipped":
                SKIPPED.labels(record.reason.partition(":")[0]).inc()
            elif record.outcome == "failed":
                UNRENDERED.inc()
                _tell(record)
            sends.append(self._log.add(partition, record.lead_id.encode(), _encoder.encode(record)))
        if effects.rejected is not None:
            self._rejections.note(effects.rejected, steady_ms())
            topic = self._settings.topics.events_rejected.name
            logger().warning(
                "lead event rejected: kept",
                reason=effects.rejected,
                lead=effects.records[0].lead_id,
                partition=partition,
                offset=taken.offset,
                topic=topic,
            )
            rejected = Rejected(
                taken.topic, _source(taken).address, taken.key, taken.value, effects.rejected, taken.headers
            )
            sends.append(reject(self._producer, topic, rejected))
        return sends

    async def _store(self, partition: int, entries: dict[bytes, bytes | None]) -> None:
        """Write leads (None: forget one), the changelog's ack first."""
        if not entries:
            return
        topic = self._leads.changelog
        acks = [
            await self._producer.send(topic, value, key=key, partition=partition)
            for key, value in entries.items()
        ]
        offset = max(ack.offset for ack in await asyncio.gather(*acks))
        reach("join: changelog written")
        if partition in self._leads.assigned():
            self._leads.put(partition, entries, offset)
        reach("join: leads written")

    async def _expire(self) -> None:
        async with self._expiring:
            for partition, keys in self._sweep.expired(now_ms()) if self._is_owner() else ():
                await self._store(partition, dict.fromkeys(keys))
                LEADS_EXPIRED.inc(len(keys))

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


def _decoded(stored: bytes, lead_id: str) -> Lead | None:
    """The stored lead; one that cannot be read is named and begins anew with its next whole event."""
    try:
        return decode_lead(stored)
    except msgspec.DecodeError as error:
        logger().error("stored lead cannot be read: it is unknown now", lead=lead_id, fault=str(error))
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
