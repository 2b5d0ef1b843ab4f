"""Our side of a bench: an installation on a broker, `postbacks worker` processes, and their cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer

from app.settings import Settings, load
from app.stream.migrate import migrate_topics
from tests.bench.engines import Engine, engine
from tests.bench.groups import Groups
from tests.bench.measure import WARM_UP, Cost, Load, measure, with_latencies
from tests.bench.programs import program
from tests.bench.sinks import Receiver
from tests.kafka import Kafka, free_port
from tests.kafka_settings import environ_for
from tests.workers import WorkerProcess, until

MACROS = "id={event_id}&click={click}&status={status}&ip={ip}&ua={ua}&sub={subid}&ts={meta.ts}"
_SWITCHES = {
    "allow_networks": "127.0.0.0/8",
    "max_in_flight": "512",
    "max_per_host": "512",
    "secret_bench": "s3cr3t-of-the-bench",
}
_READS = {
    "join": "lead_events",
    "outbound": "requests",
    "log": "log",
}  # a role's topic, by its name in Topics
_BEFORE = {"outbound": "join", "log": "join,outbound"}  # what makes the records that a role alone reads


@dataclass
class Ours:
    """An installation: topics, flows, workers, and the groups that commit for them."""

    environ: dict[str, str]
    kafka: Kafka
    folder: Path
    groups: Groups
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return load(self.environ)

    @property
    def pids(self) -> list[int]:
        """The workers that run."""
        return [worker.process.pid for worker in self.workers if worker.process.poll() is None]

    async def start(
        self, roles: str, name: str = "", timeout_s: float = 60, **switches: str
    ) -> WorkerProcess:
        """Start `postbacks worker` and wait until it is ready; `switches` go into its environment."""
        port, name = free_port(), name or f"w{len(self.workers) + 1}"
        own = {"POSTBACKS_WORKER": name, "POSTBACKS_WEB": f"127.0.0.1:{port}"}
        others = {k: v for k, v in os.environ.items() if not k.startswith("POSTBACKS_")}
        log = self.folder / f"{name}.log"
        command = [str(Path(sys.executable).parent / "postbacks"), "worker", "--role", roles]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env=others | self.environ | own | switches, stdout=out, stderr=out, cwd=self.folder
            )
        self.workers.append(WorkerProcess(process, port, log))
        return await self.workers[-1].ready(timeout_s)

    async def lag(self, roles: str) -> int:
        """How many records these roles have not committed."""
        found = 0
        for role in roles.split(","):
            topic = self.topic(role)
            found += await self.groups.lag(f"{self.settings.prefix}-{role}", topic, self.settings.partitions)
        return found

    def topic(self, role: str) -> str:
        """The topic that a role reads."""
        name: str = getattr(self.settings.topics, _READS[role]).name
        return name

    def logs(self) -> str:
        """The end of what each process wrote."""
        return "\n".join(log.read_text()[-2000:] for log in self.folder.glob("*.log"))

    def load(self, command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start the program `load`."""
        told = [text for name, value in options.items() for text in (f"-{name}", str(value))]
        return subprocess.Popen([program("load"), command, "-kafka", self.kafka.bootstrap, *told])

    def produce(
        self, events: int, rate: float = 0.0, start: int = 0, **spread: int
    ) -> subprocess.Popen[bytes]:
        """Produce lead events; `flows` and `leads` say over how many they are spread."""
        return self.load("produce", topic=self.topic("join"), n=events, rate=rate, start=start, **spread)

    async def apply(self, flows: Iterable[Mapping[str, object]]) -> None:
        """Write flow configs."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap, acks="all")
        await producer.start()
        try:
            topic = self.settings.topics.flow_configs.name
            for flow in flows:
                key = str(flow["flow_id"]).encode()
                await producer.send(topic, json.dumps(flow).encode(), key=key, partition=0)
            await producer.flush()
        finally:
            await producer.stop()

    @contextmanager
    def drained(self) -> Iterator[None]:
        """Meanwhile somebody reads the log's topic."""
        process = self.load("drain", topic=self.settings.topics.log.name)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def flow(link: str, flow_id: str = "F-1") -> dict[str, object]:
    """A flow whose postback sends each status, with a secret in a header."""
    headers = {"Authorization": "Bearer {secret.bench}"}
    postback = {"id": "p", "on": ["new", "hold", "approve"], "template": link, "headers": headers}
    return {"flow_id": flow_id, "name": "Bench", "postbacks": [postback]}


@asynccontextmanager
async def ours(kafka: Kafka, *flows: Mapping[str, object], **switches: str) -> AsyncIterator[Ours]:
    """A migrated installation with these flows; its workers are killed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="postbacks-bench-"))
    environ = environ_for(kafka, folder / "data", **_SWITCHES | switches)
    await migrate_topics(load(environ))
    async with Groups(kafka.bootstrap) as groups:
        made = Ours(environ, kafka, folder, groups)
        await made.apply(flows)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
            if not os.environ.get("POSTBACKS_KEEP"):
                shutil.rmtree(folder, ignore_errors=True)


async def run_ours(
    kafka: Kafka,
    sink: Receiver,
    load: Load,
    roles: str = "join,outbound",
    workers: int = 1,
    profile: Path | None = None,
) -> Cost:
    """Measure the roles once under the load, in `workers` processes."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(engine()) if "log" in roles else Engine()
        made = await stack.enter_async_context(ours(kafka, flow(sink.link(MACROS)), **database.switches))
        source = await _source(stack, sink, made, load, roles)
        stack.enter_context(made.drained())
        for _ in range(workers):
            await made.start(roles)
        if source:
            sink.reset(load.delay_ms)
            produce = lambda: made.load("copy", topic=source, to=made.topic(roles))  # noqa: E731
        else:
            await bring_through(made, sink, WARM_UP, roles, load.delay_ms)
            sink.reset(load.delay_ms)
            produce = lambda: made.produce(load.events, load.rate, WARM_UP)  # noqa: E731
        cost = await measure(
            made.pids, produce, lambda: is_done(made, sink, load.events, roles), load.events,
            broker=[kafka.process.pid], engine=database.pids, profile=profile,
        )  # fmt: skip
        return with_latencies(cost, sink, load) if "outbound" in roles else cost


async def _source(stack: AsyncExitStack, sink: Receiver, made: Ours, load: Load, roles: str) -> str:
    """The topic with what the roles before this one made of the events; empty when there are none before."""
    if roles not in _BEFORE:
        return ""
    before = await stack.enter_async_context(ours(made.kafka, flow(sink.link(MACROS))))
    sink.reset(0)
    worker = await before.start(_BEFORE[roles])
    await bring_through(before, sink, load.events, _BEFORE[roles], 0)
    worker.kill()
    return before.topic(roles)


async def bring_through(made: Ours, sink: Receiver, events: int, roles: str, delay_ms: int) -> None:
    """Bring so many events through."""
    sink.reset(delay_ms)
    made.produce(events).wait()
    await until(lambda: is_done(made, sink, events, roles), lambda: f"{events} done: {made.logs()}", 200)


async def is_done(made: Ours, sink: Receiver, events: int, roles: str) -> bool:
    """Whether all arrived and is committed."""
    return ("outbound" not in roles or sink.count() >= events) and await made.lag(roles) == 0
