"""Our Faust shell on Apache Kafka: partitions, commits, tables, recovery, whole tables, topics."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.messages.envelope import unpack
from app.messages.erasure import Erasure
from app.messages.request import Request
from app.outbound.erased import Erasures
from app.settings import Settings
from app.stream.kafka import new_admin, new_reader
from app.stream.migrate import TopicFault, check_topics, migrate_topics
from app.stream.outbox import Outbox
from app.stream.whole import WholeTable, read_whole
from app.topics import DAY_MS
from tests.counting import Counting, counting, producing, until
from tests.kafka import Kafka
from tests.kafka_settings import settings_for
from tests.outbound import ORIGIN, request

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


async def committed(settings: Settings) -> dict[int, int]:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{settings.prefix}-join")
    finally:
        await admin.close()
    topic = settings.topics.lead_events.name
    return {tp.partition: meta.offset for tp, meta in offsets.items() if tp.topic == topic}


async def send_events(settings: Settings, per_partition: int) -> None:
    async with producing(settings) as producer:
        topic = settings.topics.lead_events.name
        for number in range(per_partition):
            for partition in range(settings.partitions):
                key = b"lead-%d-%d" % (partition, number % 5)
                await producer.send(topic, b"event-%d" % number, key=key, partition=partition)
        await producer.flush()


async def test_the_table_of_interleaved_partitions_is_the_same_after_a_restart_and_without_its_files(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path / "first")
    await migrate_topics(settings)
    await send_events(settings, 50)
    async with counting(settings) as role:
        await until(lambda: role.counted == 200, "all events counted")
        before = role.stored()
    assert before == {(p, b"lead-%d-%d" % (p, n)): b"10" for p in range(4) for n in range(5)}
    for folder in ("first", "empty"):
        async with counting(replace(settings, data_dir=tmp_path / folder)) as role:
            await until(lambda: role.stored() == before, f"table recovered in {folder}")  # awaited here
            assert role.counted == 0


async def test_nothing_past_an_unfinished_event_is_ever_committed(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    await send_events(settings, 10)
    async with counting(settings) as role:
        role.hold = {b"event-3"}
        await until(lambda: role.counted == 40, "all events taken")
    assert await committed(settings) == dict.fromkeys(range(4), 3)
    async with counting(settings) as role:
        await until(lambda: role.counted == 28, "what was held and what came after it, again")
    assert await committed(settings) == dict.fromkeys(range(4), 10)


async def test_null_values_and_null_keys_arrive_as_they_are(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    async with producing(settings) as producer:
        await producer.send_and_wait(settings.topics.lead_events.name, None, key=b"k", partition=1)
        await producer.send_and_wait(settings.topics.lead_events.name, b"v", key=None, partition=2)
    async with counting(settings) as role:
        await until(lambda: role.counted == 2, "both")
        assert role.stored() == {(1, b"k"): b"1", (2, b""): b"1"}


async def test_values_of_one_partition_travel_in_envelopes_and_keep_their_order(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    topic = settings.topics.requests.name
    async with producing(settings) as producer:
        outbox = Outbox(producer, topic)
        await asyncio.gather(*(outbox.add(n % 2, b"k", b"%d" % n) for n in range(200)))
    reader = new_reader(settings)
    await reader.start()
    try:
        for partition in (0, 1):
            reader.assign([TopicPartition(topic, partition)])
            values: list[int] = []
            records = 0
            while len(values) < 100:
                for batch in (await reader.getmany(timeout_ms=500)).values():
                    records += len(batch)
                    values += [int(bytes(v)) for record in batch for v in unpack(record.value or b"")]
            assert values == list(range(partition, 200, 2))
            assert records < 10
    finally:
        await reader.stop()


async def test_an_envelope_that_kafka_refuses_fails_its_futures(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    async with producing(settings) as producer:
        outbox = Outbox(producer, settings.topics.requests.name)
        too_large = outbox.add(0, b"k", b'"' + b"x" * (3 * 1024 * 1024) + b'"')
        with pytest.raises(Exception, match="MessageSizeTooLarge"):
            await too_large
        await outbox.add(0, b"k", b'"the next one goes"')


def name_or_none(key: str, value: bytes, offset: int) -> str | None:
    return None if value == b"broken" else value.decode()


async def test_a_whole_table_is_ready_at_once_when_empty_and_sees_changes_of_any_producer(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    topic = settings.topics.flow_configs.name
    table = WholeTable(settings, topic, name_or_none)
    following = asyncio.create_task(table.follow())
    try:
        await asyncio.wait_for(table.ready.wait(), 20)
        async with producing(settings) as producer:
            for value in (b"one", b"broken", b"two"):
                await producer.send_and_wait(topic, value, key=b"F-1", partition=0)
            await producer.send_and_wait(topic, b"gone soon", key=b"F-2", partition=0)
            await until(lambda: table.get("F-2") == "gone soon", "a change")
            await producer.send_and_wait(topic, None, key=b"F-2", partition=0)
            await producer.send_and_wait(topic, b"broken", key=b"F-1", partition=0)
            await until(lambda: table.offset == 5, "all read")
        assert dict(table) == {"F-1": "two"}
        assert await read_whole(settings, topic, name_or_none) == {"F-1": "two"}
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _request_of(lead_id: str, requested_at: int) -> Request:
    origin = msgspec.structs.replace(ORIGIN, lead_id=lead_id, requested_at=requested_at)
    return request(origin=origin)


async def test_an_erasure_that_ends_earlier_takes_nothing_back_from_one_before_it(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    erasures = Erasures(settings)
    async with producing(settings) as producer:

        async def erase(lead_id: str, *until_ms: int) -> None:
            for one in until_ms:
                key, value = lead_id.encode(), msgspec.json.encode(Erasure(lead_id, one))
                await producer.send_and_wait(settings.topics.erasures.name, value, key=key, partition=0)

        await erase("L-1", 1000, 2000, 1000)
        following = asyncio.create_task(erasures.follow())
        try:
            await asyncio.wait_for(erasures.ready.wait(), 20)
            assert erasures.cover(_request_of("L-1", 2000))
            assert not erasures.cover(_request_of("L-1", 2001))
            await erase("L-1", 3000, 1000)
            await erase("L-2", 1)
            await until(lambda: erasures.cover(_request_of("L-2", 1)), "what came behind them")
            assert erasures.cover(_request_of("L-1", 3000))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _kept_ms(settings: Settings) -> dict[str, int | None]:
    """How long the broker keeps what is in each topic; None for ever, by key."""
    kept: dict[str, int | None] = {}
    admin = new_admin(settings)
    await admin.start()
    try:
        for topic in settings.topics.all():
            resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
            [answer] = await admin.describe_configs([resource])
            told = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            is_compacted = told["cleanup.policy"] == "compact"
            kept[topic.name] = None if is_compacted else int(told["retention.ms"])
            assert not is_compacted or told["max.compaction.lag.ms"] == str(7 * DAY_MS)
    finally:
        await admin.close()
    return kept


async def test_migrate_is_idempotent_and_refuses_another_partition_count(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path)
    with pytest.raises(TopicFault, match="run postbacks migrate"):
        await check_topics(settings)
    assert len(await migrate_topics(settings)) == len(settings.topics.all())
    assert await migrate_topics(settings) == []
    await check_topics(settings)
    kept = await _kept_ms(settings)
    assert kept == {topic.name: topic.retention_ms for topic in settings.topics.all()}
    assert kept[settings.topics.lead_events.name] == 90 * DAY_MS
    assert kept[settings.topics.requests.name] == kept[settings.topics.log.name] == 7 * DAY_MS
    shorter = replace(settings, requests_retention_days=3)
    assert any("postback-requests: retention.ms is now 259200000" in d for d in await migrate_topics(shorter))
    with pytest.raises(TopicFault, match="POSTBACKS_PARTITIONS=4"):
        await migrate_topics(replace(settings, partitions=8))


async def test_a_role_that_cannot_take_a_record_in_crashes_and_does_not_hang(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)

    def broken(role: Counting) -> None:
        def receive(tp: object, records: object) -> None:
            raise ArithmeticError("cannot be taken in")

        role.intake.receive = receive  # type: ignore[method-assign]

    async with counting(settings, broken) as role:
        await until(lambda: role.app.is_assigned, "an assignment")
        await send_events(settings, 1)
        await until(lambda: isinstance(role.app.crash_reason, ArithmeticError), "the crash")
    assert await committed(settings) == {}


async def test_what_follows_one_by_one_is_taken_by_one_task_of_a_fetch(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    async with counting(settings) as role:
        await until(lambda: role.app.is_assigned, "an assignment")
        await send_events(settings, 1)
        await until(lambda: role.counted == 4, "the first ones counted")
        went_on = False
        while not went_on:  # one that waited its whole time out for nothing ends
            before, counted = asyncio.all_tasks(), role.counted
            await send_events(settings, 1)
            await until(lambda counted=counted: role.counted == counted + 4, "the next ones counted")
            went_on = any("Fetching._fetch" in repr(task) for task in asyncio.all_tasks() & before)
