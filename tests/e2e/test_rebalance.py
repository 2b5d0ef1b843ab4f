"""Workers come and go while leads flow: everything is delivered, once, with one row each."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import structs

from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, fold
from app.leads.lead import Lead, decode_lead
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer
from tests.workers import Installation, WorkerProcess, installation, lead_events, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]


async def _slowly(exchange: Exchange) -> None:
    """An answer after 50 ms, so that requests are in flight whenever something happens."""
    await asyncio.sleep(0.05)
    await answer(200)(exchange)


async def _flow_of_leads(made: Installation, leads: list[str]) -> None:
    for lead in leads:
        await made.send(*lead_events([lead]))
        await made.send({"event_id": f"{lead}-approve", "lead_id": lead, "status": "approve"})
        await asyncio.sleep(0.02)


async def test_everything_is_delivered_once_while_workers_come_and_go(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    leads = [f"L-{number}" for number in range(400)]
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(_slowly) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}&status={{status}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link, "approve": link}})
        first = await made.start(name="w1").ready()
        flowing = asyncio.create_task(_flow_of_leads(made, leads))
        await until(lambda: len(receiver.requests) > 50, f"leads flow: {first.tail()}")
        second = await made.start(name="w2").ready()
        await until(lambda: _sent_by(second) > 50, f"the second worker sends: {second.tail()}")
        assert await first.stop() == 0, first.tail()
        await flowing
        rows = await until(
            lambda: made.rows("lead_id, event, outcome, attempt, lead_seq", n=2 * len(leads)),
            f"a row each: {second.tail()}",
        )
        assert await second.stop() == 0, second.tail()
        wanted = [
            (lead, event, "delivered", 1, seq)
            for lead in sorted(leads)
            for seq, event in ((1, "new"), (2, "approve"))
        ]
        assert rows == wanted
        sends = Counter(request.target for request in receiver.requests)
        assert set(sends.values()) == {1}, [target for target, count in sends.items() if count > 1]
        assert len(sends) == 2 * len(leads)
        assert await _stored_leads(made) == await _folded_leads(made)


async def test_a_worker_beyond_the_number_of_partitions_waits_and_harms_nobody(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        installation(kafka, clickhouse, tmp_path, partitions="1") as made,
        Receiver(answer(200)) as receiver,
    ):
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        workers = [await made.start(name=name).ready() for name in ("w1", "w2")]
        await asyncio.sleep(3)
        await made.send(*lead_events(f"L-{number}" for number in range(20)))
        await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=20), "all delivered")
        assert len(receiver.requests) == 20
        for worker in workers:
            assert await worker.stop() == 0, worker.tail()


async def test_a_topic_made_anew_is_read_from_its_beginning_and_named(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        installation(kafka, clickhouse, tmp_path, partitions="1") as made,
        Receiver(answer(200)) as receiver,
    ):
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        topics = made.settings.topics
        for role, topic in (("join", topics.lead_events), ("outbound", topics.requests)):
            await _commit(made, f"{made.settings.prefix}-{role}", topic.name, 1_000)
        await made.send(*lead_events(f"L-{number}" for number in range(20)))
        worker = await made.start().ready()
        await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=20), "all delivered")
        assert worker.log.read_text().count("the topic was made anew") == 2
        assert await worker.stop() == 0, worker.tail()
        again = await made.start().ready()  # what was done is committed, though below the offset of before
        await made.send(*lead_events(["L-last"]))
        await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=21), "all delivered")
        assert len(receiver.requests) == 21
        assert "made anew" not in again.log.read_text()


async def _commit(made: Installation, group: str, topic: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=made.settings.kafka, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): offset})
    finally:
        await consumer.stop()


async def test_a_lane_behind_a_slow_request_is_not_sent_by_whoever_gave_it_up(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async def slowly(exchange: Exchange) -> None:
        await asyncio.sleep(3 if b"status=new" in exchange.received.target else 0)
        await answer(200)(exchange)

    async with (
        installation(kafka, clickhouse, tmp_path, handover_s="1") as made,
        Receiver(slowly) as receiver,
    ):
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}&status={{status}}"
        await made.apply(
            {"flow_id": "F-1", "postbacks": [{"id": "b", "on": ["new", "approve"], "template": link}]}
        )
        await made.start(name="w1").ready()
        leads = [f"L-{number}" for number in range(12)]
        starting = made.start(name="w2")
        await made.send(*lead_events(leads), *lead_events(leads, "approve"))
        await starting.ready()
        await until(lambda: made.rows("lead_id", "event = 'approve'", n=len(leads)), "all approved")
        approves = Counter(r.target for r in receiver.requests if b"status=approve" in r.target)
        assert set(approves.values()) == {1}


async def test_a_worker_that_stops_keeps_what_it_is_sending_though_another_joins(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async def slowly(exchange: Exchange) -> None:
        await asyncio.sleep(8)
        await answer(200)(exchange)

    async with (
        installation(kafka, clickhouse, tmp_path, handover_s="1") as made,
        Receiver(slowly) as receiver,
    ):
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        first = await made.start(name="w1").ready()
        leads = [f"L-{number}" for number in range(20)]
        await made.send(*lead_events(leads))
        await until(lambda: len(receiver.requests) == len(leads), f"all are being sent: {first.tail()}")
        second = made.start(name="w2")
        stopping = asyncio.create_task(first.stop())
        await second.ready()
        assert await stopping == 0, first.tail()
        await made.send(*lead_events(["L-last"]))
        rows = await until(lambda: made.rows("outcome", n=len(leads) + 1), f"a row each: {second.tail()}")
        assert rows == [("delivered",)] * (len(leads) + 1)
        assert Counter(r.target for r in receiver.requests).most_common(1)[0][1] == 1


async def _stored_leads(made: Installation) -> dict[str, Lead]:
    """The lead table as its changelog has it, without what JOIN remembers of requests."""
    changelog = made.settings.topics.leads_changelog.name
    stored = {r.key: r.value for r in await read_topic(made.settings, changelog)}
    leads = [decode_lead(value) for value in stored.values()]
    return {lead.lead_id: structs.replace(lead, sent=()) for lead in leads}


async def _folded_leads(made: Installation) -> dict[str, Lead]:
    """The fold of all events, from the topic itself."""
    found: dict[str, Lead] = {}
    for record in await read_topic(made.settings, made.settings.topics.lead_events.name):
        event = decode(record.value)
        assert isinstance(event, LeadEvent)
        before = found.get(event.lead_id)
        change = fold(before, event, timestamp_ms=record.timestamp, late_s=5.0, ttl_ms=2**50)
        assert isinstance(change, Change)
        found[event.lead_id] = change.lead
    return found


def _sent_by(worker: WorkerProcess) -> float:
    return worker.metric("postbacks_attempts_total")
