"""Requests that are on their way and have no row in ClickHouse yet, so that none of them is made twice.

A request is in `postback-requests` until OUTBOUND's offset is behind it, then in a tier, then in
`postback-log`, then in ClickHouse, and each step is written before the one before it is acknowledged. So
whoever takes the groups' offsets in that order, reads from them to ends that are taken afterwards, and asks
ClickHouse last, sees every request that was written before he began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from aiokafka import TopicPartition

from app.messages.envelope import UNREADABLE, unpack
from app.settings import Settings
from app.stream.kafka import committed, new_admin, new_reader, read_to, topic_names
from app.topics import retries_prefix


class OnItsWay(msgspec.Struct, frozen=True):
    """A request on its way: what names it. `requested_at` is in Unix milliseconds."""

    request_id: str
    postback_id: str
    event: str
    flow_version: int
    requested_at: int


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A flow's requests by their ids; by partition, the first lead event that JOIN may still come to."""

    requests: Mapping[str, OnItsWay]
    folded_to: Mapping[int, int]


class _Origin(msgspec.Struct):
    flow_id: str = ""
    flow_version: int = -1
    postback_id: str = ""
    event: str = ""
    requested_at: int = 0


class _Value(_Origin):
    """A request, whose origin has what a log record has itself. A row without a method is of no request."""

    request_id: str = ""
    method: str = ""
    origin: _Origin | None = None


_decoder = msgspec.json.Decoder(_Value)
_Offsets = dict[TopicPartition, int]


async def under_way(settings: Settings, flow_id: str) -> UnderWay:
    """What of a flow's requests is on its way. Raises `KafkaError`."""
    folded, starts = await _handled(settings)
    found: dict[str, OnItsWay] = {}
    reader = new_reader(settings)
    await reader.start()
    try:
        reader.assign(list(starts))
        ends = await reader.end_offsets(list(starts))
        for tp, start in starts.items():
            reader.seek(tp, min(start, ends[tp]))
        async for _, records in read_to(reader, ends):
            for record in records:
                found.update((one.request_id, one) for one in _of_flow(record.value, flow_id))
    finally:
        await reader.stop()
    return UnderWay(found, {tp.partition: offset for tp, offset in folded.items()})


async def _handled(settings: Settings) -> tuple[_Offsets, _Offsets]:
    """Where JOIN is, and where those who take requests further are, asked in the order of a request's way."""
    admin = new_admin(settings)

    async def of(role: str, topics: Collection[str]) -> _Offsets:
        partitions = [TopicPartition(topic, p) for topic in topics for p in range(settings.partitions)]
        return await committed(admin, f"{settings.prefix}-{role}", partitions)

    await admin.start()
    try:
        folded = await of("join", [settings.topics.lead_events.name])
        starts = await of("outbound", [settings.topics.requests.name])
        prefix = retries_prefix(settings.prefix)
        tiers = {name for name in await topic_names(settings) if name.startswith(prefix)}
        starts |= await of("retries", tiers)  # also those that the settings name no more
        starts |= await of("log", [settings.topics.log.name])
    finally:
        await admin.close()
    return folded, starts


def _of_flow(envelope: bytes | None, flow_id: str) -> Iterator[OnItsWay]:
    """The requests of one flow in a record; what cannot be read is none (OUTBOUND and LOG name it)."""
    for value in _values(envelope):
        origin = value.origin or value
        if value.request_id and value.method and origin.flow_id == flow_id:
            yield OnItsWay(
                value.request_id, origin.postback_id, origin.event, origin.flow_version, origin.requested_at
            )


def _values(envelope: bytes | None) -> Iterator[_Value]:
    try:
        values = unpack(envelope or b"[]")
    except UNREADABLE:
        return
    for value in values:
        with suppress(*UNREADABLE):
            yield _decoder.decode(value)
