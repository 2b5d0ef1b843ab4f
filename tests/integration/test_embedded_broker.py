"""The embedded broker: as much of Kafka as this product and its producers need, and a process that ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.embedded import broker
from tests.shell import POSTBACKS, Shell, bare_environ
from tests.workers import until


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A broker with topic `t` of two partitions."""
    async with broker.start() as (address, child):
        await child.listening()
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        await admin.create_topics([NewTopic("t", 2, 1)])
        await admin.close()
        yield address


@contextlib.asynccontextmanager
async def _producer(address: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True) as producer:
        yield producer


@contextlib.asynccontextmanager
async def _member(address: str) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(
        "t",
        bootstrap_servers=address,
        group_id="g",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=2_000,
        heartbeat_interval_ms=400,
        fetch_max_wait_ms=100,
    ) as consumer:
        yield consumer


async def _read(consumer: AIOKafkaConsumer, count: int) -> list[tuple[int, int]]:
    """At least `count` records as partition and offset."""
    found: list[tuple[int, int]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += [(record.partition, record.offset) for record in records]
    return found


async def test_an_idempotent_producer_writes_and_the_end_of_a_partition_is_its_end(address: str) -> None:
    async with _producer(address) as producer:
        sent = [await producer.send("t", b"x", partition=1) for _ in range(20)]
        offsets = [told.offset for told in await asyncio.gather(*sent)]
    assert offsets == list(range(20))
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        partitions = [TopicPartition("t", 0), TopicPartition("t", 1)]
        assert list((await consumer.end_offsets(partitions)).values()) == [0, 20]
        assert list((await consumer.beginning_offsets(partitions)).values()) == [0, 0]


async def test_a_group_goes_on_where_it_was_also_within_a_batch(address: str) -> None:
    async with _producer(address) as producer:
        await asyncio.gather(*[await producer.send("t", b"x", partition=0) for _ in range(10)])
    async with _member(address) as first:
        await _read(first, 10)
        await first.commit({TopicPartition("t", 0): 7})
    async with _member(address) as second:
        assert await _read(second, 3) == [(0, 7), (0, 8), (0, 9)]


async def test_a_group_shares_the_partitions_and_one_takes_over_from_another(address: str) -> None:
    async with _member(address) as first:
        await until(lambda: len(first.assignment()) == 2, "the first has both")
        async with _member(address) as second:
            await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, "each has one")
        await until(lambda: len(first.assignment()) == 2, "the first has both again")


async def test_a_reader_misses_nothing_of_many_that_write_at_once(address: str) -> None:
    async def write() -> None:
        async with _producer(address) as producer:
            for _ in range(20):
                await producer.send_and_wait("t", b"x", partition=0)

    async with AIOKafkaConsumer(bootstrap_servers=address, fetch_max_wait_ms=5) as reader:
        reader.assign([TopicPartition("t", 0)])
        await reader.seek_to_beginning()
        reading = asyncio.create_task(_read(reader, 200))
        await asyncio.gather(*(write() for _ in range(10)))
        assert await reading == [(0, offset) for offset in range(200)]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """`postbacks embedded broker` and its child."""
    started = subprocess.Popen(
        [POSTBACKS, "embedded", "broker", "--port", "0"],
        cwd=tmp_path,
        env=bare_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        line = started.stdout.readline()
        host, port = line.split(" on ")[1].split()[0].split(":")
        socket.create_connection((host, int(port)), 5).close()
        [child] = psutil.Process(started.pid).children()
        yield started, child
        started.kill()


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_it_ends_with_its_process_however_that_ends(
    process: tuple[subprocess.Popen[str], psutil.Process], signum: signal.Signals, status: int
) -> None:
    started, child = process
    started.send_signal(signum)
    assert started.wait(30) == status
    child.wait(30)


def test_the_death_of_the_broker_is_one_line(process: tuple[subprocess.Popen[str], psutil.Process]) -> None:
    started, child = process
    child.kill()
    assert started.wait(30) == 1
    assert started.stderr is not None
    told = started.stderr.read()
    assert told.startswith("postbacks embedded broker: the embedded broker ended (signal SIGKILL)")
    assert told.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = Shell(tmp_path, {}).run("embedded", "broker", "--port", port)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert port in done.stderr
    assert "--port" in done.stderr
