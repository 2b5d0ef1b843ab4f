"""Drill `events`: random bytes among good messages; duplicate, reordered and late events."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, doubled, lost, say
from tests.drill.load import Load, flow
from tests.drill.marks import drill
from tests.drill.sink import Sink
from tests.kafka import Kafka
from tests.workers import Installation, installation, read_topic, until

pytestmark = drill(400)

_LATE_MS = 5_000


async def _produce(made: Installation, messages: list[tuple[bytes, bytes]]) -> None:
    topic = made.settings.topics.lead_events.name
    acks = [await made.producer.send(topic, value, key=key) for key, value in messages]
    await asyncio.gather(*acks)


async def test_random_bytes_are_kept_and_hold_up_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    count = int(scale.of(1_000, 10_000))
    noise = random.Random(7)
    bad = [noise.randbytes(noise.randint(1, 400)) for _ in range(count)]
    load = Load()
    messages = [(b"k%d" % number, value) for number, value in enumerate(bad)]
    for number in range(count):
        event = {"event_id": f"L-{number}.new", "lead_id": f"L-{number}", "flow_id": "F-1", "status": "new"}
        load.sent_at[event["event_id"]] = time.perf_counter()
        messages.append((event["lead_id"].encode(), json.dumps(event).encode()))
    noise.shuffle(messages)
    async with installation(kafka, clickhouse, tmp_path) as made, Sink() as sink:
        await made.apply(flow(sink.url()))
        worker = await made.start().ready()
        began = time.perf_counter()
        await _produce(made, messages)
        await all_arrived(load, sink, 120, worker.tail())
        took_s = time.perf_counter() - began
        rows = await until(lambda: made.rows("lead_id", "outcome = 'rejected'", n=count), "rejected rows", 60)
        kept = await read_topic(made.settings, made.settings.topics.events_rejected.name)
        say(
            "events: random bytes",
            good=count,
            bad=count,
            lost=len(lost(load, sink)),
            repeated=doubled(sink),
            kept=len(kept),
            per_s=round(2 * count / took_s),
        )
        assert len(rows) == count
        assert sorted(record.value for record in kept) == sorted(bad)
        assert doubled(sink) == 0


def _disordered(lead: str, now_ms: int, order: random.Random) -> list[dict[str, Any]]:
    """Events of one lead, some twice, in any order behind the first."""
    steps = [("new", 0), ("hold", 20), ("approve", 40), ("cancel", 30), ("trash", 42)]
    events: list[dict[str, Any]] = [
        {
            "event_id": f"{lead}.{status}",
            "lead_id": lead,
            "flow_id": "F-1",
            "status": status,
            "occurred_at": now_ms - 100_000 + after_s * 1000,
        }
        for status, after_s in steps
    ]
    first, *others = events
    others += order.sample(events, 3)
    order.shuffle(others)
    return [first, *others]


def _must_arrive(events: list[dict[str, Any]]) -> Iterator[str]:
    """The contract in ten lines: an event id counts once, a status that is over 5 s older is late."""
    seen: set[str] = set()
    status_at = 0
    for event in events:
        if event["event_id"] in seen:
            continue
        seen.add(event["event_id"])
        if event["occurred_at"] >= status_at - _LATE_MS:
            status_at = event["occurred_at"]
            yield event["event_id"]


async def test_duplicate_reordered_and_late_events_send_what_the_contract_says(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    count, order, now_ms = int(scale.of(200, 2_000)), random.Random(11), round(time.time() * 1000)
    load = Load()
    queues = [_disordered(f"L-{number}", now_ms, order) for number in range(count)]
    for events in queues:
        load.sent_at |= dict.fromkeys(_must_arrive(events), time.perf_counter())
    messages = []
    while live := [events for events in queues if events]:
        event = order.choice(live).pop(0)
        at = datetime.fromtimestamp(event["occurred_at"] / 1000, UTC).isoformat()
        value = json.dumps({**event, "occurred_at": at}).encode()
        messages.append((event["lead_id"].encode(), value))
    async with installation(kafka, clickhouse, tmp_path) as made, Sink() as sink:
        link = flow(sink.url())
        link["postbacks"][0]["on"] = ["any"]
        await made.apply(link)
        worker = await made.start().ready()
        await _produce(made, messages)
        await all_arrived(load, sink, 240, worker.tail())  # what waits behind its lane waits for minutes
        late = await until(
            lambda: made.rows(
                "event_id", "outcome = 'skipped' AND reason = 'late'", n=5 * count - len(load.expected)
            ),
            "a row for each late one",
        )
        say(
            "events: disorder",
            events=len(messages),
            expected=len(load.expected),
            late=len(late),
            lost=len(lost(load, sink)),
            repeated=doubled(sink),
            unexpected=len(set(sink.bodies) - load.expected),
        )
        assert set(sink.bodies) == load.expected
        assert doubled(sink) == 0
