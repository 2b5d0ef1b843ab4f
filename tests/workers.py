"""Workers as processes, and what tests do with an installation: produce events, apply flows, read rows."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from app.messages.envelope import unpack
from app.messages.record import LogRecord
from app.settings import Settings, load
from app.stream.migrate import migrate_topics
from tests.clickhouse import Database
from tests.kafka import free_port
from tests.kafka_settings import Reached, environ_for

_ROOT = Path(__file__).parents[1]
_SCRIPT = _ROOT / "tests" / "faults" / "worker_process.py"


@dataclass
class WorkerProcess:
    """One worker process; its log is in `log`."""

    process: subprocess.Popen[bytes]
    web_port: int
    log: Path

    async def ready(self, timeout_s: float = 60) -> WorkerProcess:
        """Wait until /readyz says so."""
        await until(lambda: self.get("/readyz")[0] == 200, f"ready: {self.tail()}", timeout_s)
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of its web server; 0 when it does not answer."""
        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended with {self.process.returncode}: {self.tail()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}{path}", timeout=2) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-3000:]

    async def stop(self, timeout_s: float = 40) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, timeout_s)

    async def ended(self, timeout_s: float = 60) -> int:
        """Wait for its end; its exit status (-9 after SIGKILL)."""
        return await asyncio.to_thread(self.process.wait, timeout_s)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


@dataclass
class Installation:
    """One prefix on the broker, one database, and the workers started for it."""

    environ: dict[str, str]
    folder: Path
    database: Database
    producer: AIOKafkaProducer
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return load(self.environ)

    def start(self, roles: str = "join,outbound,log", name: str = "w1", **switches: str) -> WorkerProcess:
        """Start a worker process; `switches` go into its environment."""
        port = free_port()
        environ = {
            **os.environ,
            **self.environ,
            "POSTBACKS_WORKER": name,
            "POSTBACKS_WEB": f"127.0.0.1:{port}",
            "PYTHONPATH": str(_ROOT),
            **switches,
        }
        log = self.folder / f"{name}-{len(self.workers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, str(_SCRIPT), roles], env=environ, stdout=out, stderr=out, cwd=self.folder
            )
        self.workers.append(WorkerProcess(process, port, log))
        return self.workers[-1]

    async def apply(self, *flows: Mapping[str, Any]) -> None:
        """Write flow configs, as any producer may."""
        topic = self.settings.topics.flow_configs.name
        for flow in flows:
            value = json.dumps(flow).encode()
            await self.producer.send_and_wait(topic, value, key=flow["flow_id"].encode(), partition=0)

    async def send(
        self, *events: Mapping[str, Any] | bytes, key: bytes | None = None, partition: int | None = None
    ) -> None:
        """Write lead events with a plain Kafka client, keyed by lead id (murmur2)."""
        topic = self.settings.topics.lead_events.name
        acks = []
        for event in events:
            value = event if isinstance(event, bytes) else json.dumps(event).encode()
            lead = key if key is not None else _lead_of(event)
            acks.append(await self.producer.send(topic, value, key=lead, partition=partition))
        await asyncio.gather(*acks)

    async def log_records(self) -> list[LogRecord]:
        """All that is in `postback-log` now."""
        found = []
        for record in await read_topic(self.settings, self.settings.topics.log.name):
            found += [msgspec.json.decode(value, type=LogRecord) for value in unpack(record.value or b"[]")]
        return found

    async def rows(
        self, what: str, where: str = "1", order: str = "lead_id, lead_seq, attempt", n: int = 0
    ) -> list[Any]:
        """Rows of `postback_log`, deduplicated; none before there are `n`."""
        sql = f"SELECT {what} FROM postback_log FINAL WHERE {where} ORDER BY {order}"
        found = await self.database.rows(sql)
        return found if len(found) >= n else []


def _lead_of(event: Mapping[str, Any] | bytes) -> bytes:
    return b"" if isinstance(event, bytes) else str(event.get("lead_id", "")).encode()


@asynccontextmanager
async def installation(
    kafka: Reached, database: Database, folder: Path, **more: str
) -> AsyncIterator[Installation]:
    """A migrated installation; its workers are killed at the end."""
    environ = environ_for(
        kafka, folder / "data", clickhouse=database.url, allow_networks="127.0.0.0/8", **more
    )
    await migrate_topics(load(environ))
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True)
    await producer.start()
    made = Installation(environ, folder, database, producer)
    try:
        yield made
    finally:
        await producer.stop()
        for worker in made.workers:
            worker.kill()


async def read_topic(settings: Settings, topic: str) -> list[Any]:
    """All records of a topic as they are now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        [count] = [known.partitions for known in settings.topics.all() if known.name == topic]
        partitions = [TopicPartition(topic, p) for p in range(count)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Any] = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()


async def everything(made: Installation, worker: WorkerProcess) -> dict[str, bytes]:
    """All that is kept: topics, tables, the worker's log."""
    kept = {"log": worker.log.read_bytes()}
    for topic in made.settings.topics.all():
        records = await read_topic(made.settings, topic.name)
        kept[topic.name] = b"\n".join(
            b" ".join([r.key or b"", r.value or b"", *(value for _, value in r.headers)]) for r in records
        )
    for table in ("postback_log", "postback_requests", "lead_events", "flow_versions"):
        rows = await made.database.rows(f"SELECT * FROM {table}")
        kept[table] = "\n".join(f"{field}" for row in rows for field in row).encode("utf-8", "replace")
    assert all(len(kept[name]) > 100 for name in ("log", "postback_log", made.settings.topics.log.name))
    return kept


async def until(condition: Callable[[], Any], what: str | Callable[[], str], timeout_s: float = 60) -> Any:
    """Wait for a condition, awaited where it is to be, to be true; returns its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"did not happen within {timeout_s:g} s: {told}")
        await asyncio.sleep(0.1)


def lead_events(leads: Iterable[str], status: str = "new", flow_id: str = "F-1") -> list[dict[str, Any]]:
    """One plain event for each lead."""
    return [
        {"event_id": f"{lead}-{status}", "lead_id": lead, "flow_id": flow_id, "status": status}
        for lead in leads
    ]
