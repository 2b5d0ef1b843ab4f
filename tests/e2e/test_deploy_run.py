"""docs/deploy.md's three workers on one machine, started as it says; one is taken away while it works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.boards import names_of, told_metrics
from tests.kafka import free_port
from tests.receivers import Receiver, answer
from tests.shell import POSTBACKS, Shell, bare_environ
from tests.workers import WorkerProcess, lead_events, until

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_DOC = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
_LEADS = [f"L-{number}" for number in range(40)]


def _command(line: str) -> tuple[dict[str, str], list[str]]:
    """The settings before a `postbacks` command, and its arguments."""
    words = shlex.split(line.removesuffix("&"))
    at = words.index(".venv/bin/postbacks")
    return dict(word.split("=", 1) for word in words[:at]), words[at + 1 :]


@dataclass
class Tried:
    """What the chapter starts: the shell of its second block, and its workers by name."""

    shell: Shell
    workers: dict[str, WorkerProcess] = field(default_factory=dict)

    def start(self, line: str) -> WorkerProcess:
        """Start a worker as its line says."""
        settings, arguments = _command(line)
        name, port = settings["POSTBACKS_WORKER"], int(settings["POSTBACKS_WEB"].rpartition(":")[2])
        shell = Shell(self.shell.folder, self.shell.environ | settings)
        log = shell.folder / f"{name}-{len(list(shell.folder.glob('*.log')))}.log"
        self.workers[name] = WorkerProcess(shell.start(*arguments, out=log), port, log)
        return self.workers[name]

    def kill(self) -> None:
        """End the workers."""
        for worker in self.workers.values():
            worker.kill()

    def told(self) -> str:
        """The ends of all logs."""
        return "\n".join(worker.tail() for worker in self.workers.values())

    def send(self, leads: list[str], status: str) -> None:
        """Write an event for each lead; only the first brings a click."""
        events = lead_events(leads, status, "F-7")
        click = {"click": {"id": "c-9"}} if status == "new" else {}
        name = f"{status}.jsonl"
        (self.shell.folder / name).write_text("".join(json.dumps(one | click) + "\n" for one in events))
        assert self.shell.run("leads", "send", name).returncode == 0


def _lines() -> tuple[list[str], list[str]]:
    """The chapter's two blocks, each port in them a free one."""
    chapter = _DOC.partition("\n## Try it")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```$", chapter, re.DOTALL | re.MULTILINE)
    ports = {port: str(free_port()) for port in set(re.findall(r"\b[89]\d{3}\b", chapter))}
    engines, rest = (re.sub(r"\b[89]\d{3}\b", lambda at: ports[at[0]], block).splitlines() for block in found)
    return engines, rest


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver(answer(200)) as made:
        yield made


async def test_three_workers_deliver_everything_though_one_is_killed_and_tell_what_boards_ask_for(
    tmp_path: Path, receiver: Receiver
) -> None:
    engines, rest = _lines()
    exported = [line.removeprefix("export ").split("=", 1) for line in rest if line.startswith("export ")]
    started = [line for line in rest if line.endswith("&")]
    migrate, apply, *_ = [line for line in rest if line.startswith(".venv/bin/postbacks")]
    tried = Tried(Shell(tmp_path, dict(exported)))
    tried.shell.environ |= {
        "POSTBACKS_ALLOW_NETWORKS": "127.0.0.0/8",
        "POSTBACKS_KAFKA_SESSION_TIMEOUT": "6",
        "POSTBACKS_STALL_TIMEOUT": "60",  # a sixth of it is how often the lag is told
    }
    link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}&click={{click}}&status={{status}}&id={{request}}"
    (tmp_path / "flows").mkdir()
    flow = {"flow_id": "F-7", "postbacks": dict.fromkeys(("new", "approve", "cancel"), link)}
    (tmp_path / "flows" / "summer.json").write_text(json.dumps(flow))
    with ExitStack() as stack:
        for line in engines:
            engine = subprocess.Popen(
                [POSTBACKS, *_command(line)[1]],
                env=bare_environ(),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(engine.communicate)
            stack.callback(engine.kill)
            assert engine.stdout is not None
            assert "127.0.0.1:" in engine.stdout.readline()
        for line in (migrate, apply):
            assert tried.shell.run(*_command(line)[1]).returncode == 0
        stack.callback(tried.kill)
        for line in started:
            tried.start(line)
        assert list(tried.workers) == ["one", "two", "three"]
        await _work_while_one_goes(tried, receiver, started[1])


async def _work_while_one_goes(tried: Tried, receiver: Receiver, line: str) -> None:
    def arrived() -> set[tuple[str, ...]]:
        found = (one.target.decode().partition("?")[2].split("&") for one in receiver.requests)
        return {tuple(part.partition("=")[2] for part in parts[:3]) for parts in found}

    async def all_of(*statuses: str) -> None:
        wanted = {(lead, "c-9", status) for lead in _LEADS for status in statuses}
        await until(lambda: arrived() == wanted, tried.told, 90)

    for worker in tried.workers.values():
        await worker.ready()
    tried.send(_LEADS, "new")
    await all_of("new")
    tried.send(_LEADS, "approve")
    taken = tried.workers.pop("two")
    taken.kill()
    await all_of("new", "approve")
    again = await tried.start(line).ready()
    assert again is not taken
    tried.send(_LEADS, "cancel")
    await all_of("new", "approve", "cancel")
    for status in ("new", "cancel"):  # before and after the kill nothing came twice
        ids = [one.target for one in receiver.requests if f"status={status}".encode() in one.target]
        assert len(ids) == len(_LEADS)
    rows = await until(
        lambda: (
            found
            if len(found := tried.shell.rows("logs", "list", "--outcome", "delivered", "--limit", "500"))
            >= 3 * len(_LEADS)
            else []
        ),
        tried.told,
    )
    assert {(row["lead_id"], row["event"]) for row in rows} == {
        (lead, event) for lead in _LEADS for event in ("new", "approve", "cancel")
    }
    await _tells_what_boards_ask_for(tried)
    for worker in tried.workers.values():
        assert await worker.stop() == 0, worker.tail()


async def _tells_what_boards_ask_for(tried: Tried) -> None:
    """`/metrics` of workers that worked has every name that boards and alerts may use, and its labels."""
    known = told_metrics()
    for worker in tried.workers.values():
        families = list(text_string_to_metric_families(worker.get("/metrics")[1]))
        names = {name for family in families for name in names_of(family.name, family.type)}
        assert known.keys() - {"up"} <= names | {
            sample.name for family in families for sample in family.samples
        }
        for sample in (sample for family in families for sample in family.samples):
            if sample.name.startswith("postbacks_") and not sample.name.endswith("_created"):
                assert set(sample.labels) == known[sample.name], sample
        assert worker.metric("postbacks_loop_lag_seconds_count") > 0
        assert 0 < worker.metric("postbacks_disk_free_bytes") < worker.metric("postbacks_disk_size_bytes")

    def lags() -> list[float]:
        return [worker.metric("postbacks_lag") for worker in tried.workers.values()]

    page = await until(
        lambda: next(
            (
                told
                for worker in tried.workers.values()
                if 'postbacks_lag{role="join",topic="lead-events"}' in (told := worker.get("/metrics")[1])
            ),
            "",
        ),
        tried.told,
        120,
    )
    assert "postback-retries" not in "".join(
        line for line in page.splitlines() if line.startswith("postbacks_lag{")
    )
    await until(lambda: sum(lags()) == 0, lambda: f"{lags()} {tried.told()}", 120)
