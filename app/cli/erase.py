"""`postbacks leads erase`: count, ask, have the owners forget, delete, and say what remains.

Everything goes by the topics: a lead event that says `erase`, in the lead's partition, makes JOIN forget the
lead and OUTBOUND send nothing more of it. Rows are deleted once all roles are done with what was before it,
so that nothing is written behind the deletion. Stopped half-way it is run again.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.partitioner import murmur2

from app.cli.clickhouse import clickhouse_failures_told
from app.cli.ending import confirm, fail, producing, run_async, settings_told
from app.cli.printing import console, print_json, visible
from app.doctor.partitioners import partition_of
from app.kit.clock import now_ms
from app.kit.secrets import Secrets
from app.log.writer import connect
from app.messages.envelope import UNREADABLE
from app.messages.record import Address
from app.messages.request import Request
from app.outbound.attempt import Rows
from app.outbound.incoming import read_request
from app.queries.erase import DeleteFault, Held, delete, held
from app.settings import Settings
from app.stream.barrier import Stands, done_by
from app.stream.kafka import new_reader, read_to
from app.stream.migrate import check_topics
from app.stream.outbox import Outbox
from app.topics import COMPACTED_DAYS, DAY_MS, Topic

_KNOWN_S = 2.0  # a worker knows of an erasure within a second
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class _Parked:
    """A request that `postback-parked` keeps, and where."""

    partition: int
    offset: int
    key: bytes
    request: Request


def erase(lead_id: str, *, yes: bool, as_json: bool) -> None:
    """Do all of it; ends the command with what is wrong."""
    settings = settings_told()

    async def work(settings: Settings) -> None:
        await check_topics(settings)
        client = await connect(settings.clickhouse)
        try:
            await _erase(settings, client, lead_id, yes, as_json)
        except (Stands, DeleteFault) as fault:
            fail(f"{fault}; the lead is not wholly erased: run it again")
        finally:
            await client.close()

    try:
        with clickhouse_failures_told(settings.clickhouse):
            run_async(settings, work)
    except KeyboardInterrupt:
        fail("stopped half-way: the lead is not wholly erased, run it again")


async def _erase(settings: Settings, client: Any, lead_id: str, yes: bool, as_json: bool) -> None:
    found = await held(client, lead_id)
    own = partition_of(lead_id.encode(), settings.partitions, murmur2)
    partitions = {own, *found.partitions}  # a producer that hashes in another way put some elsewhere
    parked = await _parked(settings, lead_id, partitions)
    _print_found(lead_id, found, len(parked), as_json)
    confirm(f"Erase lead {lead_id}? It cannot be brought back.", yes=yes)
    await _forgotten(settings, lead_id, partitions)
    taken_out = await _take_out(settings, lead_id, partitions)
    for topic in (settings.topics.log, settings.topics.lead_events):
        await done_by(settings, "log", topic.name, partitions, _tell)
    before = await held(client, lead_id)
    await delete(client, lead_id)
    _print_erased(settings, lead_id, before, taken_out, as_json)


def _tell(what: str) -> None:
    print(what, file=sys.stderr)


async def _forgotten(settings: Settings, lead_id: str, partitions: set[int]) -> None:
    """Have JOIN forget the lead, and OUTBOUND done with what it began before it knew."""
    topics, key = settings.topics, lead_id.encode()
    event = {"event_id": f"erase-{uuid.uuid4()}", "lead_id": lead_id, "erase": True}
    async with producing(settings) as producer:
        for number in sorted(partitions):
            await producer.send_and_wait(
                topics.lead_events.name, _encoder.encode(event), key=key, partition=number
            )
    await done_by(settings, "join", topics.lead_events.name, partitions, _tell)
    await asyncio.sleep(_KNOWN_S)
    await done_by(settings, "outbound", topics.requests.name, partitions, _tell)


async def _parked(settings: Settings, lead_id: str, partitions: set[int]) -> list[_Parked]:
    """The lead's requests that parked postbacks keep now."""
    reader = new_reader(settings)
    await reader.start()
    try:
        tps = [TopicPartition(settings.topics.parked.name, number) for number in partitions]
        reader.assign(tps)
        ends = await reader.end_offsets(tps)
        await reader.seek_to_beginning(*tps)
        kept: dict[tuple[int, bytes], _Parked] = {}
        async for _, records in read_to(reader, ends):
            for record in records:
                partition, key = record.partition, record.key or b""
                kept.pop((partition, key), None)
                request = _request(record.value)
                if request is not None and request.origin.lead_id == lead_id:
                    kept[partition, key] = _Parked(partition, record.offset, key, request)
        return list(kept.values())
    finally:
        await reader.stop()


def _request(value: bytes | None) -> Request | None:
    try:
        return None if value is None else read_request(value)
    except UNREADABLE:
        return None  # `postbacks release` names it


async def _take_out(settings: Settings, lead_id: str, partitions: set[int]) -> int:
    """Take the lead's parked requests out, a row each first; how many there were."""
    parked = await _parked(settings, lead_id, partitions)
    topic = settings.topics.parked.name
    rows = Rows(topic, settings.worker, Secrets({}))
    async with producing(settings) as producer:
        log = Outbox(producer, settings.topics.log.name)
        for one in parked:
            row = rows.erased(one.request, Address(one.partition, one.offset), now_ms=now_ms())
            await log.add(one.partition, lead_id.encode(), _encoder.encode(row))
            await producer.send_and_wait(topic, None, key=one.key, partition=one.partition)
    return len(parked)


def _print_found(lead_id: str, found: Held, parked: int, as_json: bool) -> None:
    told = {"lead_id": lead_id, "rows": found.rows, "parked": parked, "waiting": found.waiting}
    if as_json:
        print_json([{**told, "receivers": [asdict(one) for one in found.receivers]}])
        return
    rows = ", ".join(f"{count} {table}" for table, count in found.rows.items())
    out = console()
    out.print(f"[bold]lead {visible(lead_id)}[/bold]  {rows}", soft_wrap=True)
    out.print(f"{found.waiting} requests wait to be sent again, {parked} are parked: none will be sent")


def _print_erased(settings: Settings, lead_id: str, gone: Held, taken_out: int, as_json: bool) -> None:
    left = list(_remains(settings, gone))
    if as_json:
        told = {"erased": lead_id, "rows_deleted": gone.rows, "parked_deleted": taken_out}
        print_json([{**told, "remains": [{"where": where, "until": until} for where, until in left]}])
        return
    out = console()
    out.print(
        f"{sum(gone.rows.values())} rows deleted, {taken_out} parked requests deleted; JOIN forgot the lead"
    )
    out.print("What remains, and for how long:")
    for where, until in left:
        out.print(f"  {visible(where)}: {visible(until)}", soft_wrap=True)


def _remains(settings: Settings, gone: Held) -> Iterator[tuple[str, str]]:
    """Where something of the lead is still, and how long."""
    topics = settings.topics
    whole: Sequence[Topic] = (topics.lead_events, topics.events_rejected, topics.log_rejected)
    made: Sequence[Topic] = (topics.requests, topics.log, *(tier.topic for tier in topics.retries))
    for topic in (*whole, *made):
        days = (topic.retention_ms or 0) / DAY_MS
        yield f"topic {topic.name}", f"{days:.3g} days after each record"
    for topic in (topics.leads_changelog, topics.parked):
        yield f"topic {topic.name}", f"older versions until Kafka compacts it, {COMPACTED_DAYS} days at most"
    yield (
        f"topic {topics.erasures.name}",
        f"the lead's id, {(topics.erasures.retention_ms or 0) // DAY_MS} days",
    )
    yield "ClickHouse", "old parts some ten minutes; in the statistics counts that other leads share"
    yield "workers' logs", "ids of the lead and its requests, as long as you keep logs"
    yield "backups of Kafka and ClickHouse", "as long as you keep them"
    for one in gone.receivers:
        sent = f"{one.requests} requests, {one.delivered} delivered"
        yield f"receiver {one.host}", f"it got {sent}: ask it to erase them"
