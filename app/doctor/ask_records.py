"""Look into the topics with a consumer: offsets, offsets by time, the newest records. It commits nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app.doctor.facts import Arrivals, Partition, Sampled, Span
from app.doctor.finding import Unknown
from app.settings import Settings
from app.stream.kafka import client_options

ANSWER_S = 3.0
SAMPLE = 25
"""So many of the newest lead events are looked at in each partition."""
_REASONS = 5
_FETCH_MS = 100
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_Got = TypeVar("_Got")


async def asked(question: Awaitable[_Got]) -> _Got | Unknown:
    """The answer, or why there is none."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await question
    except TimeoutError:
        return Unknown(f"Kafka did not answer within {ANSWER_S:g} s")
    except KafkaError as error:
        return Unknown(f"this Kafka refuses: {error}")


Read = tuple[
    dict[Partition, Span] | Unknown,
    dict[Partition, int] | Unknown,
    list[Sampled] | Unknown,
    Arrivals | Unknown,
]


async def read(settings: Settings, partitions: Sequence[Partition], now_ms: int) -> Read:
    """What a consumer sees: offsets, offsets by time, the newest records."""
    if not partitions:
        return {}, {}, [], Arrivals(0, 0, 0, 0)
    reader = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        fetch_max_wait_ms=_FETCH_MS,
        max_partition_fetch_bytes=512 * 1024,
    )
    try:
        started = await asked(reader.start())
        if isinstance(started, Unknown):
            return started, started, started, started
        tps = [TopicPartition(*partition) for partition in partitions]
        spans = await asked(_spans(reader, tps))
        if isinstance(spans, Unknown):
            return spans, spans, spans, spans
        old_until = await asked(_first_after(reader, spans, _due_by(settings, now_ms, spans)))
        newest = await asked(_newest(reader, settings, spans))
        arrivals = await asked(_arrivals(reader, settings, spans, now_ms))
    finally:
        await reader.stop()
    if isinstance(newest, Unknown):
        return spans, old_until, newest, arrivals
    sample, reasons = newest
    if isinstance(arrivals, Arrivals):
        arrivals = replace(arrivals, reasons=reasons)
    return spans, old_until, sample, arrivals


async def _spans(reader: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> dict[Partition, Span]:
    reader.assign(tps)
    begins, ends = await reader.beginning_offsets(tps), await reader.end_offsets(tps)
    return {(tp.topic, tp.partition): Span(begins[tp], ends[tp]) for tp in tps}


def _due_by(settings: Settings, now_ms: int, partitions: Iterable[Partition]) -> dict[Partition, int]:
    """The time before which a record should be finished: a minute ago, less what its tier keeps it."""
    delays_ms = {tier.topic.name: tier.delay_ms for tier in settings.topics.retries}
    return {(name, number): now_ms - _MINUTE_MS - delays_ms.get(name, 0) for name, number in partitions}


async def _first_after(
    reader: AIOKafkaConsumer, spans: Mapping[Partition, Span], at_ms: Mapping[Partition, int]
) -> dict[Partition, int]:
    """The offset of the first record at or after a time; the partition's end where there is none."""
    if not at_ms:
        return {}
    found = await reader.offsets_for_times({TopicPartition(*p): ms for p, ms in at_ms.items()})
    return {
        (tp.topic, tp.partition): first.offset
        if first is not None and first.timestamp >= 0
        else spans[tp.topic, tp.partition].end
        for tp, first in found.items()
    }


async def _arrivals(
    reader: AIOKafkaConsumer, settings: Settings, spans: Mapping[Partition, Span], now_ms: int
) -> Arrivals:
    topics = settings.topics
    names = [topic.name for topic in (topics.lead_events, topics.events_rejected, topics.log_rejected)]
    ours = [partition for partition in spans if partition[0] in names]
    since: dict[int, Counter[str]] = {}
    for span_ms in (_HOUR_MS, _DAY_MS):
        first = await _first_after(reader, spans, dict.fromkeys(ours, now_ms - span_ms))
        since[span_ms] = Counter()
        for partition, offset in first.items():
            since[span_ms][partition[0]] += spans[partition].end - offset
    hour, day = since[_HOUR_MS], since[_DAY_MS]
    return Arrivals(hour[names[0]], hour[names[1]], day[names[1]], day[names[2]])


async def _newest(
    reader: AIOKafkaConsumer, settings: Settings, spans: Mapping[Partition, Span]
) -> tuple[list[Sampled], list[str]]:
    """The newest lead events, oldest first, and the commonest reasons of the newest rejections."""
    many = {settings.topics.lead_events.name: SAMPLE, settings.topics.events_rejected.name: _REASONS}
    begins = {
        TopicPartition(*p): max(span.begin, span.end - many[p[0]])
        for p, span in spans.items()
        if p[0] in many and span.end > span.begin
    }
    records = await _from(reader, begins, {TopicPartition(*p): span.end for p, span in spans.items()})
    events = settings.topics.lead_events.name
    sample = [
        Sampled(r.partition, r.offset, r.timestamp, r.key, r.value) for r in records if r.topic == events
    ]
    reasons = Counter(_reason(record) for record in records if record.topic != events)
    return sample, [reason for reason, _ in reasons.most_common(3)]


async def _from(
    reader: AIOKafkaConsumer, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> list[ConsumerRecord[bytes, bytes]]:
    """What lies between these offsets; what Kafka does not hand out within a second or two stays out."""
    if not begins:
        return []
    reader.assign(list(begins))
    for tp, offset in begins.items():
        reader.seek(tp, offset)
    found: list[ConsumerRecord[bytes, bytes]] = []
    deadline_s = asyncio.get_running_loop().time() + ANSWER_S / 2
    while asyncio.get_running_loop().time() < deadline_s:
        if not any([await reader.position(tp) < ends[tp] for tp in begins]):
            break
        for tp, records in (await reader.getmany(timeout_ms=_FETCH_MS)).items():
            found += [record for record in records if record.offset < ends[tp]]
    return sorted(found, key=lambda record: record.timestamp)


def _reason(record: ConsumerRecord[bytes, bytes]) -> str:
    return next((value.decode("utf-8", "replace") for name, value in record.headers if name == "reason"), "")
