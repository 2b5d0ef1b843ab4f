"""`postbacks dev`: everything on one machine, found by other commands, gone without a trace."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.home import Dev, dev
from tests.receivers import Receiver, answer
from tests.shell import POSTBACKS, Shell, bare_environ, one_line
from tests.workers import until

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "flows").mkdir()
    return Shell(tmp_path, {"POSTBACKS_ALLOW_NETWORKS": "127.0.0.0/8"})


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _flow(receiver: Receiver, path: str, flow_id: str = "F-7") -> dict[str, Any]:
    link = f"http://127.0.0.1:{receiver.port}/{path}?lead={{id}}"
    return {"flow_id": flow_id, "postbacks": {"new": link}}


def _send(shell: Shell, lead: str, flow_id: str = "F-7") -> None:
    event = {"event_id": f"e-{lead}", "lead_id": lead, "flow_id": flow_id, "status": "new"}
    done = shell.run("leads", "send", "-", stdin=json.dumps(event))
    assert done.returncode == 0, done.stderr


async def _arrived(receiver: Receiver, target: str, dev: Dev) -> None:
    await until(lambda: target.encode() in [one.target for one in receiver.requests], dev.told)


async def test_a_second_terminal_finds_everything_and_flows_follow_their_folder(shell: Shell) -> None:
    folder = shell.folder / "flows"
    async with Receiver(answer(200)) as receiver:
        (folder / "summer.json").write_text(json.dumps(_flow(receiver, "first")))
        with dev(shell, "--port", "0", "--flows", "flows") as running:
            await running.ready()
            assert shell.rows("flows", "list")[0]["flow_id"] == "F-7"
            _send(shell, "L-1")
            await _arrived(receiver, "/first?lead=L-1", running)
            await until(lambda: shell.rows("logs", "list"), running.told)
            [row] = shell.rows("logs", "list", "--lead", "L-1")
            assert (row["outcome"], row["response_status"]) == ("delivered", 200)

            (folder / "summer.json").write_text(
                '[{"flow_id": "F-7", "postbacks": {"new": "https://x/{click|sha265}"}}]'
            )
            await until(lambda: "[0].postbacks.new" in running.told(), running.told)
            assert "summer.json: refused: [0].postbacks.new: " in running.told()
            _send(shell, "L-2")
            await _arrived(receiver, "/first?lead=L-2", running)

            (folder / "summer.json").write_text(json.dumps(_flow(receiver, "second")))
            await until(lambda: "second" in shell.run("flows", "show", "F-7").stdout, running.told)
            _send(shell, "L-3")
            await _arrived(receiver, "/second?lead=L-3", running)

            shell.write("by-hand.json", _flow(receiver, "hand", "F-8"))
            assert shell.run("flows", "apply", "by-hand.json").returncode == 0
            (folder / "summer.json").unlink()
            await until(
                lambda: "summer.json: no longer holds flow F-7, which is deleted" in running.told(),
                running.told,
            )
            assert [row["flow_id"] for row in shell.rows("flows", "list")] == ["F-8"]

            done = shell.run("migrate")
            assert (done.returncode, done.stderr) == (0, "")
            assert await running.stop() == 0
            assert "Traceback" not in running.told()


async def test_what_stands_in_the_way_is_one_line(shell: Shell, taken: int) -> None:
    one_line(shell.run("dev", "--port", str(taken)), 1, f"127.0.0.1:{taken}", "--port", "POSTBACKS_WEB")
    one_line(shell.run("dev", POSTBACKS_KAFKA="k:9092"), 2, "POSTBACKS_KAFKA is set")
    one_line(shell.run("dev", POSTBACKS_DATA_DIR="/dev/null/x"), 1, "/dev/null/x", "POSTBACKS_DATA_DIR")
    (shell.folder / "chdb.py").write_text(
        "def connect(folder):\n    raise RuntimeError('the disk is full')\n"
    )
    done = shell.run("dev", "--port", "0", PYTHONPATH=str(shell.folder))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("postbacks: the embedded ClickHouse ended (status 1): the data folder ")
    assert "the disk is full" in done.stderr
    with dev(shell, "--port", "0") as starting:
        children = await until(starting.children, starting.told)
        assert await starting.stop() == 0
        assert psutil.wait_procs(children, timeout=30)[1] == []
        assert starting.err.read_text() == ""
    with dev(shell, "--port", "0") as running:
        await running.ready()
        pid = str(running.process.pid)
        one_line(shell.run("dev", "--port", "0"), 1, pid, ".postbacks", "POSTBACKS_DATA_DIR")
        children = running.children()
        running.child("tansu").kill()
        assert await running.ended() == 1
        told = running.err.read_text().splitlines()  # what lost its broker may have its say beside it
        [why] = [line for line in told if line.startswith("postbacks: dev ends: ")]
        assert "the embedded broker ended (signal SIGKILL)" in why
        assert "postbacks dev" in why
        assert psutil.wait_procs(children, timeout=30)[1] == []


def _tail(shell: Shell) -> subprocess.Popen[bytes]:
    """A `logs tail` that goes on, into the file `tail`, with a first row in it."""
    _send(shell, "L-0")
    with (shell.folder / "tail").open("wb") as out:
        environ = bare_environ() | shell.environ
        return subprocess.Popen(
            [POSTBACKS, "logs", "tail"], stdout=out, stderr=out, env=environ, cwd=shell.folder
        )


async def test_a_killed_dev_leaves_no_child_and_misleads_nobody(shell: Shell) -> None:
    with dev(shell, "--port", "0") as running:
        await running.ready()
        shell.write("flow.json", {"flow_id": "F-7", "postbacks": {"new": "https://track.er/"}})
        assert shell.run("flows", "apply", "flow.json").returncode == 0
        mine = shell.folder / ".postbacks" / "dev" / "project.txt"
        mine.parent.mkdir()
        mine.write_text("not dev's")
        children = running.children()
        assert len(children) >= 2
        tail = _tail(shell)
        await until(lambda: "L-0" in (shell.folder / "tail").read_text(), running.told)
        running.process.kill()
        assert await running.ended() == -signal.SIGKILL
    assert psutil.wait_procs(children, timeout=30)[1] == []
    warning = shell.run("flows", "list").stderr.splitlines()[0]
    assert warning.startswith("postbacks: warning: .postbacks/dev.env is of a postbacks dev that is gone")
    with dev(shell, "--port", "0") as again:
        await again.ready()
        assert shell.rows("flows", "list") == []
        _send(shell, "L-1")
        await until(lambda: "L-1" in (shell.folder / "tail").read_text(), again.told)
        tail.kill()
        tail.wait()
        assert mine.read_text() == "not dev's"
        children = again.children()
        assert await again.stop() == 0
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert not (shell.folder / ".postbacks" / "dev.env").exists()
