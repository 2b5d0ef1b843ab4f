"""A child that ends with its parent, also when the parent is killed.

Linux sends the signal itself, and the wish survives `exec`. Elsewhere somebody has to look: a program of
ours looks from a thread; for a foreign one (`python -P -m app.embedded.parent PID PROGRAM ARGUMENT…`)
this process stays in between and looks. On Linux it becomes the program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LOOK_S = 0.5
_IS_LINUX: bool = sys.platform == "linux"


def end_with_parent(parent: int, signum: signal.Signals) -> None:
    """Have this process sent `signum` when its parent, of the process id `parent`, ends.

    Raises `OSError` when it has ended before.
    """
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
    else:
        threading.Thread(target=_look_for, args=(parent, signum), daemon=True).start()
    if os.getppid() != parent:
        raise OSError("the process that started it is gone")


def _look_for(parent: int, signum: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signum)


def main(argv: Sequence[str]) -> int:
    """Run a program with an empty environment, as long as the parent lives; its exit status."""
    parent, *command = argv
    os.chdir("/")  # no file of the working directory is a setting of the program
    if _IS_LINUX:
        end_with_parent(int(parent), signal.SIGKILL)
        os.execve(command[0], command, {})  # noqa: S606 - the engine we ship
    return _stay_between(int(parent), command)


def _stay_between(parent: int, command: list[str]) -> int:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _: told.append(signum))
    child = subprocess.Popen(command, env={})  # noqa: S603 - the engine we ship
    while child.poll() is None and os.getppid() == parent and not told:
        time.sleep(_LOOK_S)
    child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
