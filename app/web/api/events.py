"""`POST /api/lead-events`: one event, an array or JSON lines; answered once Kafka has them all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
from aiohttp.web import Request
from msgspec import Struct

from app.kit.traces import HEADER, sampled_in
from app.leads.events import Malformed, decode
from app.leads.lines import BadLine, EventLine, read_lines
from app.leads.malformed import MAX_BYTES
from app.web.api.call import Answer, Call, read_json, refused
from app.web.context import Web
from app.web.problem import Problem, Wrong

MOST_EVENTS = 10_000
LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
_MOST_TOLD = 20
_PATIENCE_S = 10.0

Headers = Sequence[tuple[str, bytes]]


class Accepted(Struct):
    """An event that Kafka has."""

    event_id: str
    lead_id: str
    partition: int
    offset: int


class AcceptedEvents(Struct):
    """The events in their order."""

    accepted: int
    events: list[Accepted]


async def send_events(call: Call[None, bytes]) -> Answer[AcceptedEvents]:
    """Send lead events: one as an object, several as an array or, with a type of JSON lines, a line each.

    Each is checked as JOIN checks it, and nothing is sent unless all are sound. The answer comes after Kafka
    has acknowledged them all; after any other answer they may be sent again: an event_id among the lead's
    last 64 changes nothing.
    """
    lines = list(_lines(call.body, call.request.content_type in LINES))
    if not lines:
        raise refused("", "no lead event")
    if len(lines) > MOST_EVENTS:
        raise refused("", f"{len(lines)} events, over the limit of {MOST_EVENTS} in one request")
    if bad := [line for line in lines if isinstance(line, BadLine)]:
        errors = [Wrong(line.fault.path, line.fault.reason, line.number - 1) for line in bad[:_MOST_TOLD]]
        first = f"event {bad[0].number - 1}: {bad[0].fault}"
        raise Problem(422, f"{len(bad)} of {len(lines)} are wrong, nothing was sent; {first}", errors)
    good = [line for line in lines if isinstance(line, EventLine)]
    events = await write_events(call.web, good, trace_of(call.request))
    return Answer(AcceptedEvents(len(events), events), 202)


def trace_of(request: Request) -> Headers:
    """The record headers that continue the trace of a call, where it is one of a sampled trace."""
    told = sampled_in([(HEADER, request.headers.get(HEADER, "").encode())])
    return [] if told is None else [(HEADER, told.encode())]


async def write_events(web: Web, events: Sequence[EventLine], headers: Headers = ()) -> list[Accepted]:
    """Write sound events, each to the partition of its lead (murmur2); returns once Kafka has them all.

    `headers` are the records'.
    Raises `Problem` 503 when it does not say so in time: then it may have them or not.
    """
    topic = web.settings.topics.lead_events.name
    try:
        async with asyncio.timeout(_PATIENCE_S):
            acks = [
                await web.producer.send(topic, one.value, key=one.lead_id.encode(), headers=headers)
                for one in events
            ]
            await asyncio.wait(acks)  # a time-out cancels no ack: the producer still owns them
    except TimeoutError:
        detail = "Kafka does not answer: send them again, those that a lead knows change nothing"
        raise Problem(503, detail, headers={"Retry-After": "5"}) from None
    return [
        Accepted(one.event_id, one.lead_id, record.partition, record.offset)
        for one, record in zip(events, (ack.result() for ack in acks), strict=True)
    ]


def _lines(body: bytes, is_lines: bool) -> Iterator[EventLine | BadLine]:
    """The events of a body; an event's `number` is its place from 1."""
    if is_lines:
        events = [line for line in body.split(b"\n") if line.strip()]
        yield from read_lines(events)
    elif body.lstrip()[:1] == b"[":
        for number, raw in enumerate(read_json(body, list[msgspec.Raw]), 1):
            yield _checked(number, bytes(raw))
    else:
        yield _checked(1, body)


def _checked(number: int, value: bytes) -> EventLine | BadLine:
    value = value.strip() if len(value) <= 2 * MAX_BYTES else value
    event = decode(value)
    if isinstance(event, Malformed):
        return BadLine(number, event)
    return EventLine(number, event.event_id, event.lead_id, value)
