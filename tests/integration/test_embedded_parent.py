"""A program that knows nothing of its parent ends with it, on every system."""

from __future__ import annotations

import subprocess
import sys

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
_SYSTEMS = pytest.mark.parametrize("is_linux", [True, False])


def _sleeping(is_linux: bool) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A parent, and what it has started, once the program runs."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _START.format(is_linux=is_linux)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    first = psutil.Process(int(parent.stdout.readline()))
    while True:
        family = [first, *first.children()]
        if any(one.name() == "sleep" for one in family):
            return parent, family


@_SYSTEMS
def test_it_ends_when_its_parent_is_killed(is_linux: bool) -> None:
    parent, family = _sleeping(is_linux)
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []


@_SYSTEMS
def test_it_ends_when_it_is_told_to(is_linux: bool) -> None:
    parent, family = _sleeping(is_linux)
    family[0].terminate()
    assert psutil.wait_procs(family[-1:], timeout=30)[1] == []
    parent.kill()
    parent.communicate()
