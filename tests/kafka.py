"""Apache Kafka for the tests: the real broker from Maven's jars, one node, on loopback."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from weakref import WeakSet

import pytest
from aiokafka.conn import AIOKafkaConnection

_ROOT = Path(__file__).parent
_JARS = _ROOT.parent / ".cache" / "kafka-jars"
_JAVA = ("java", "-cp", f"{_JARS}/*")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


@dataclass
class Kafka:
    """A broker of ours: `bootstrap` is its address; `kill` and `start_again` make an outage."""

    bootstrap: str
    folder: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it and wait for the end."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start it after `kill`, with its data, at its address; returns when it accepts connections."""
        self.process = _run_broker(self.folder, int(self.bootstrap.rpartition(":")[2]))


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _fetch_jars() -> None:
    """Fetch them once, whoever of several test processes comes first."""
    _JARS.mkdir(parents=True, exist_ok=True)
    with (_JARS / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if (_JARS / ".done").exists():
            return
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(_ROOT / "kafka_jars" / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={_JARS}"],
            check=True, timeout=900,
        )  # fmt: skip
        (_JARS / ".done").touch()


def start_kafka(folder: Path) -> Kafka:
    """Start a broker whose data lies in `folder`; returns when it accepts connections."""
    _fetch_jars()
    port, controller = free_port(), free_port()
    config = folder / "server.properties"
    config.write_text(_PROPERTIES.format(port=port, controller=controller, folder=folder))
    subprocess.run(
        [*_JAVA, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(config)],
        check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return Kafka(f"127.0.0.1:{port}", folder, _run_broker(folder, port))


def _run_broker(folder: Path, port: int) -> subprocess.Popen[bytes]:
    with (folder / "broker.log").open("ab") as log:
        process = subprocess.Popen(
            [*_JAVA, "-Xmx512m", "kafka.Kafka", str(folder / "server.properties")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        if process.poll() is not None:
            break
        time.sleep(0.2)
    process.kill()
    process.wait()
    raise RuntimeError(f"Kafka did not start: {(folder / 'broker.log').read_text()[-2000:]}")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """The session's broker. Without Java or Maven the tests that need it are skipped, in CI they fail."""
    if not shutil.which("java") or not (shutil.which("mvn") or (_JARS / ".done").exists()):
        pytest.skip("Apache Kafka needs Java and Maven: install a JDK (17 or newer) and mvn")
    broker = start_kafka(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.kill()
    if not os.environ.get("POSTBACKS_KEEP"):
        shutil.rmtree(broker.folder, ignore_errors=True)


@pytest.fixture
async def late_connections_closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Close what aiokafka opened while its client was being closed: the client forgets such connections.

    A producer, consumer or client that *we* forget still warns by itself, and a warning fails its test.
    """
    made: WeakSet[AIOKafkaConnection] = WeakSet()
    connect = AIOKafkaConnection.connect

    async def noted(self: AIOKafkaConnection) -> object:
        made.add(self)
        return await connect(self)

    monkeypatch.setattr(AIOKafkaConnection, "connect", noted)
    yield
    await asyncio.gather(*(conn.close() for conn in list(made) if conn.connected()))


@pytest.fixture(autouse=True)
def _kafka_tests_leave_no_connection(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("kafka") and inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("late_connections_closed")
