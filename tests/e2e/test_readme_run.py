"""The README's commands, run in their order as its reader runs them."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.home import dev
from tests.kafka import free_port
from tests.shell import POSTBACKS, Shell, bare_environ
from tests.workers import until

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_SHELL = [
    block.replace("\\\n", "").splitlines()
    for block in re.findall(r"^```sh\n(.*?)^```$", _README, re.DOTALL | re.MULTILINE)
]
_JSON = re.findall(r"^```json\n(.*?)^```$", _README, re.DOTALL | re.MULTILINE)


def _lines(first: str) -> list[list[str]]:
    """The `postbacks` lines of a block, without the command itself; the block is known by its first line."""
    [block] = [block for block in _SHELL if block[0].startswith(first)]
    words = [shlex.split(line, comments=True) for line in block]
    return [line[1:] for line in words if line[0].endswith("postbacks")]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """The folder of the first flow: flows/summer.json and events.jsonl."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "events.jsonl").write_text(_JSON[1])
    return Shell(tmp_path, {})


@contextmanager
def _running(shell: Shell, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on running; what it prints can be read."""
    process = subprocess.Popen(
        [POSTBACKS, *arguments],
        env=bare_environ() | shell.environ,
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_the_first_flow_works_as_it_is_told(shell: Shell) -> None:
    [starting] = _lines("mkdir flows")
    with dev(shell, *starting[1:], "--port", "0") as running:
        await running.ready()
        (shell.folder / "flows" / "summer.json").write_text(_JSON[0])
        await until(lambda: shell.rows("flows", "list"), running.told)
        lint, send, show, listed, tail, stats = _lines(".venv/bin/postbacks flows lint")
        assert shell.run(*lint).returncode == 0
        assert "2" in shell.run(*send).stdout
        rows = await until(lambda: [r for r in shell.rows(*listed) if r["event"] == "approve"], running.told)
        assert {row["host"] for row in rows} == {"track.er"}
        story = shell.run(*show).stdout
        assert "e-1" in story
        assert "e-2" in story
        with _running(shell, *tail) as following:
            assert following.stdout is not None
            assert any("L-1001" in following.stdout.readline() for _ in range(4))
            following.send_signal(signal.SIGINT)
            assert following.wait(20) == 0
        assert shell.run(*stats).returncode == 0
        told, apply = _lines(".venv/bin/postbacks presets show")
        assert "POSTBACKS_SECRET_META_TOKEN" in shell.run(*told).stdout
        assert shell.run(*apply, stdin="y\n").returncode == 0
        [flow] = shell.rows("flows", "list")
        assert flow["postbacks"] == ["new", "approve", "meta-capi-lead", "meta-capi-purchase"]
        assert await running.stop() == 0, running.told()


async def test_a_worker_of_ones_own_runs_as_it_is_told(shell: Shell) -> None:
    (shell.folder / "flows" / "summer.json").write_text(_JSON[0])
    embedded = [shlex.split(line) for line in re.findall(r"`\.venv/bin/postbacks (embedded .+?)`", _README)]
    ports = [str(free_port()), str(free_port())]
    (_, kafka, *_), (_, clickhouse, *_) = embedded
    assert (kafka, clickhouse) == ("broker", "clickhouse")
    shell.environ |= {
        "POSTBACKS_KAFKA": f"127.0.0.1:{ports[0]}",
        "POSTBACKS_CLICKHOUSE": f"http://default:@127.0.0.1:{ports[1]}/postbacks",
    }
    with (
        _running(shell, "embedded", "broker", "--port", ports[0]) as broker,
        _running(shell, "embedded", "clickhouse", "--port", ports[1]) as engine,
    ):
        for process in (broker, engine):
            assert process.stdout is not None
            assert "127.0.0.1:" in process.stdout.readline()
        migrate, apply, worker = _lines("make setup")
        assert shell.run(*migrate).returncode == 0
        assert "F-7" in shell.run(*apply).stdout
        assert worker == ["worker", "--role", "all"]
        running = shell.worker()
        await running.ready()
        assert await running.stop() == 0, running.tail()
