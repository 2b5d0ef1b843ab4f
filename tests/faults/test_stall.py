"""A process that stands still ends itself, and one that waits for something does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.clickhouse import Database
from tests.kafka import Kafka, free_port
from tests.workers import installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("role", "made no progress for 5 s (POSTBACKS_STALL_TIMEOUT) with 1 records waiting"),
        ("mover", "postback-retries.5s[3] made no progress for 5 s (POSTBACKS_STALL_TIMEOUT) with 1 records"),
        ("loop", "stand_still"),
    ],
)
async def test_a_worker_that_stands_still_says_where_and_ends(
    kafka: Kafka, clickhouse: Database, tmp_path: Path, what: str, said: str
) -> None:
    async with installation(kafka, clickhouse, tmp_path, stall_timeout="5") as made:
        worker = made.start(TEST_STALL=what)
        await made.send(*lead_events(["L-1"]))
        tier = made.settings.topics.retries[0].topic.name
        await made.producer.send_and_wait(tier, b"[]", key=b"L-1", partition=3)
        assert await worker.ended() == 1, worker.tail()
        assert said in worker.log.read_text()


async def test_a_worker_that_is_idle_or_waits_for_clickhouse_does_not_end(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    nobody = f"http://default:@127.0.0.1:{free_port()}/postbacks"
    async with installation(kafka, clickhouse, tmp_path, stall_timeout="5") as made:
        worker = made.start(POSTBACKS_CLICKHOUSE=nobody)
        await made.send(*lead_events(["L-1"]))
        await asyncio.sleep(15)
        assert worker.process.poll() is None, worker.tail()
        status, missing = worker.get("/readyz")
        assert (status, "ClickHouse" in missing) == (503, True)
        told = {
            "postbacks_clickhouse_away 1.0",
            'postbacks_lag{role="log",topic="lead-events"} 1.0',
            'postbacks_lag{role="join",topic="lead-events"} 0.0',
            "postbacks_standing_still_seconds 0.0",
        }
        await until(lambda: told <= set(worker.get("/metrics")[1].splitlines()), worker.tail)


async def test_offsets_without_records_are_not_waited_for(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    """A producer with transactions leaves marks at the end of a partition, and what is too old is deleted."""
    async with installation(kafka, clickhouse, tmp_path, stall_timeout="5") as made:
        events, requests = made.settings.topics.lead_events.name, made.settings.topics.requests.name
        async with (
            AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=events) as producer,
            producer.transaction(),
        ):
            await producer.send(events, b"{}", key=b"L-1", partition=0)
        await made.producer.send_and_wait(requests, b"[]", key=b"L-1", partition=1)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(requests, 1): RecordsToDelete(before_offset=1)})
        await admin.close()
        worker = await made.start("join,outbound,log").ready()
        await asyncio.sleep(15)
        assert worker.process.poll() is None, worker.tail()
        assert worker.metric("postbacks_lead_events_total") == 1
