"""Tables are read from their changelogs: whole, from where they are, and never past a partition's owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition
from faust.types import TP

from app.settings import Settings
from app.stream.faust_app import new_app
from app.stream.kafka import new_changelog_reader
from app.stream.migrate import migrate_topics
from app.stream.recovery import recover
from app.stream.table import PartitionTable
from tests.counting import Counting, counting, producing, until
from tests.kafka import Kafka
from tests.kafka_settings import settings_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
PARTITIONS = range(4)

Told = dict[int, dict[bytes, bytes]]


class Table:
    """A table of a worker that does not run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.table = PartitionTable(
            new_app(settings, "join", settings.data_dir / "join"), "leads", settings.partitions
        )

    async def recover(self, new_reader: Callable[[], AIOKafkaConsumer] | None = None) -> Told:
        """Recover all partitions; returns what is in them."""
        store = self.table._table.data
        stores = {TP(self.table.changelog, p): store for p in PARTITIONS}
        await recover(new_reader or (lambda: new_changelog_reader(self.settings)), stores)
        return {p: dict(self.table.items(p, b"", 10_000)) for p in PARTITIONS}


async def send(producer: AIOKafkaProducer, topic: str, records: list[tuple[bytes, bytes | None]]) -> Told:
    """The same records to each partition, and what they leave there."""
    told: Told = {p: {} for p in PARTITIONS}
    for p in PARTITIONS:
        for key, value in records:
            named = value and b"%s of %d" % (value, p)
            await producer.send(topic, named, key=key, partition=p)
            told[p][key] = named or b""
    await producer.flush()
    return {p: {key: value for key, value in held.items() if value} for p, held in told.items()}


def writes(count: int, keys: int = 50) -> list[tuple[bytes, bytes | None]]:
    """Writes that come back to the same keys, each seventh a delete."""
    return [(b"key-%d" % (n % keys), None if n % 7 == 3 else b"value %d" % n) for n in range(count)]


@pytest.fixture
async def table(kafka: Kafka, tmp_path: Path) -> Table:
    settings = settings_for(kafka, tmp_path / "here")
    await migrate_topics(settings)
    return Table(settings)


@pytest.fixture
async def producer(table: Table) -> AsyncIterator[AIOKafkaProducer]:
    async with producing(table.settings) as producer:
        yield producer


@asynccontextmanager
async def administering(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_an_empty_changelog_is_recovered_at_once(table: Table) -> None:
    assert await table.recover() == {p: {} for p in PARTITIONS}


async def test_each_partition_holds_the_last_value_of_each_key_and_nothing_deleted(
    table: Table, producer: AIOKafkaProducer
) -> None:
    wanted = await send(producer, table.table.changelog, writes(5_000))
    assert 0 < len(wanted[0]) < 50
    assert await table.recover() == wanted


async def test_a_store_reads_on_from_where_it_is(table: Table, producer: AIOKafkaProducer) -> None:
    topic = table.table.changelog
    wanted = await send(producer, topic, [(b"old", b"as read"), (b"gone", b"soon")])
    assert await table.recover() == wanted
    table.table.put(2, {b"old": b"read only once"}, 1)
    await send(producer, topic, [(b"gone", None), (b"new", b"too")])
    found = await table.recover()
    assert found[0] == {b"old": b"as read of 0", b"new": b"too of 0"}
    assert found[2] == {b"old": b"read only once", b"new": b"too of 2"}


async def test_records_that_were_removed_from_the_changelog_are_passed_over(
    table: Table, producer: AIOKafkaProducer, kafka: Kafka
) -> None:
    topic = table.table.changelog
    await send(producer, topic, writes(100))
    await table.recover()
    wanted = await send(producer, topic, [(b"key-%d" % n, b"again") for n in range(60)])
    async with administering(kafka) as admin:
        removable = ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": "delete"})
        await admin.alter_configs([removable])
        await admin.delete_records(
            {TopicPartition(topic, p): RecordsToDelete(before_offset=105) for p in PARTITIONS}
        )
    found = await table.recover()
    assert {p: {k: v for k, v in held.items() if k >= b"key-5"} for p, held in found.items()} == {
        p: {k: v for k, v in held.items() if k >= b"key-5"} for p, held in wanted.items()
    }


async def test_an_end_without_a_record_is_reached(table: Table, kafka: Kafka) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=table.settings.prefix)
    await producer.start()
    try:
        async with producer.transaction():
            for p in PARTITIONS:
                await producer.send_and_wait(table.table.changelog, b"v", key=b"k", partition=p)
    finally:
        await producer.stop()
    for _ in range(2):
        assert await table.recover() == {p: {b"k": b"v"} for p in PARTITIONS}


async def test_a_table_whose_changelog_was_made_anew_forgets_what_the_old_one_said(
    table: Table, producer: AIOKafkaProducer, kafka: Kafka
) -> None:
    topic = table.table.changelog
    await send(producer, topic, writes(100))
    await table.recover()
    async with administering(kafka) as admin:
        await admin.delete_topics([topic])
        await until_gone(admin, topic)
    await migrate_topics(table.settings)
    async with producing(table.settings) as anew:
        wanted = await send(anew, topic, [(b"key-1", b"another lead")])
    assert await table.recover() == wanted
    assert await table.recover() == wanted


async def until_gone(admin: AIOKafkaAdminClient, topic: str) -> None:
    while topic in await admin.list_topics():
        await asyncio.sleep(0.05)


async def test_a_kafka_that_is_away_is_waited_for(
    table: Table, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.stream.recovery._TRY_AGAIN_S", 0.01)
    wanted = await send(producer, table.table.changelog, writes(10))
    away = replace(table.settings, kafka="127.0.0.1:1")
    tried = iter([away, away, table.settings])
    assert await table.recover(lambda: new_changelog_reader(next(tried))) == wanted


class Gate:
    """Readers of an app that stand still before they read, until it opens."""

    def __init__(self, role: Counting) -> None:
        self.open = asyncio.Event()
        self.waiting = 0
        self._new_reader = role.app.new_reader
        role.app.new_reader = self._gated

    def _gated(self) -> Any:
        reader = self._new_reader()
        read = reader.getmany

        async def getmany(**options: Any) -> Any:
            self.waiting += 1
            await self.open.wait()
            return await read(**options)

        reader.getmany = getmany
        return reader


async def test_a_rebalance_in_the_middle_of_a_recovery_leaves_each_partition_to_its_owner(
    kafka: Kafka, tmp_path: Path
) -> None:
    settings = settings_for(kafka, tmp_path / "first")
    await migrate_topics(settings)
    async with producing(settings) as producer:
        topic = settings.topics.leads_changelog.name
        wanted = await send(producer, topic, [w for w in writes(200) if w[1]])
    flat = {(p, key): value for p, held in wanted.items() for key, value in held.items()}
    gates: list[Gate] = []
    async with counting(settings, lambda role: gates.append(Gate(role))) as first:
        await until(lambda: gates[0].waiting, "the first recovers")
        async with counting(replace(settings, data_dir=tmp_path / "second", worker="w2")) as second:
            await until(lambda: second.app.is_assigned, "the second has its share")
            assert not first.app.is_assigned
            gates[0].open.set()
            await until(lambda: first.app.is_assigned, "the first has its share")
            shares = first.table.assigned(), second.table.assigned()
            assert [len(share) for share in shares] == [2, 2]
            assert first.stored() | second.stored() == flat
            held = {p for p in PARTITIONS if p in first.table._table.data._dbs}
            assert held == shares[0]
