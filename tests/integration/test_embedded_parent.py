"""A program that knows nothing of its parent ends with it, on every system."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

_START = """
import os, subprocess, sys, time
shim = "import sys; import app.embedded.parent as parent; parent._IS_LINUX = {is_linux}; "
shim += "sys.exit(parent.main(sys.argv[1:]))"
child = subprocess.Popen([sys.executable, "-c", shim, str(os.getpid()), "/bin/sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(params=[True, False], ids=["on Linux", "elsewhere"])
def family(request: pytest.FixtureRequest) -> Iterator[list[psutil.Process]]:
    """A parent, what it has started, and last the program, which runs."""
    script = _START.format(is_linux=request.param)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        first = psutil.Process(int(parent.stdout.readline()))
        while not (found := [one for one in (first, *first.children()) if one.name() == "sleep"]):
            pass
        yield [psutil.Process(parent.pid), *dict.fromkeys((first, *found))]
        parent.kill()


def test_it_ends_when_its_parent_is_killed(family: list[psutil.Process]) -> None:
    family[0].kill()
    _gone(family[1:])


def test_it_ends_when_it_is_told_to(family: list[psutil.Process]) -> None:
    family[1].terminate()
    _gone(family[-1:])


def _gone(processes: list[psutil.Process]) -> None:
    """Wait until all have ended, also those that nobody has asked how."""
    deadline_s = time.monotonic() + 30
    while left := [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline_s, left
        time.sleep(0.05)
