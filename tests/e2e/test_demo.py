"""`postbacks demo` goes on running, is found by other commands, and ends in one line when it has to."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.demo.samples import expected
from tests.shell import POSTBACKS, Shell, bare_environ, one_line

pytestmark = [pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(120)]
_RUNNING = "goes on running until Ctrl-C"


class Demo:
    """A running `postbacks demo` and what it printed."""

    def __init__(self, shell: Shell) -> None:
        self.out, self.err = shell.folder / "out", shell.folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [POSTBACKS, "demo", "--port", "0"],
                stdout=out, stderr=err, cwd=shell.folder, env=bare_environ(),
            )  # fmt: skip

    def told(self, text: str) -> str:
        """Wait until it has printed a text; all it printed."""
        deadline = time.monotonic() + 90
        while text not in (printed := self.out.read_text()):
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, printed
            time.sleep(0.1)
        return printed

    def ended(self) -> tuple[int, str]:
        """Wait for its end; exit status and standard error."""
        return self.process.wait(30), self.err.read_text()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Commands in an empty folder, without a setting."""
    return Shell(tmp_path, {})


@pytest.fixture
def demo(shell: Shell) -> Iterator[Demo]:
    """A demo that runs; it is killed in the end."""
    running = Demo(shell)
    yield running
    running.process.kill()
    running.process.wait()


def test_other_commands_find_a_demo_and_ctrl_c_ends_it(shell: Shell, demo: Demo) -> None:
    printed = demo.told(_RUNNING)
    assert f"{len(expected())} of {len(expected())} as expected" in printed
    rows = shell.rows("logs", "list", "--lead", "L-2")
    assert [row["outcome"] for row in rows] == ["delivered", "retrying"]
    assert rows[0]["request_id"] in printed
    assert "arrived years late" in shell.run("leads", "show", "L-7").stdout
    assert (shell.folder / ".postbacks" / "demo" / "flows" / "tracker.json").exists()
    one_line(shell.run("demo", "--once", "--port", "0"), 1, "another dev runs", str(demo.process.pid))
    demo.process.send_signal(signal.SIGINT)
    assert demo.ended() == (0, "")


def test_a_demo_whose_broker_dies_says_so_and_leaves_nothing_behind(demo: Demo) -> None:
    demo.told("L-3 form new: delivered")
    children = psutil.Process(demo.process.pid).children()
    next(child for child in children if "tansu" in child.name()).kill()
    status, told = demo.ended()
    assert status == 1
    assert told.startswith("postbacks: demo ends: the embedded broker ended")
    assert told.count("\n") == 1
    assert psutil.wait_procs(children, timeout=10)[1] == []
