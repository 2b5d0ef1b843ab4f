"""`postbacks dev` as a person starts it: a process in a folder, what it says, its children, its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.shell import POSTBACKS, Shell, bare_environ
from tests.workers import until


class Dev:
    """A running `postbacks dev` and what it has printed."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        self.out, self.err = shell.folder / "dev.out", shell.folder / "dev.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [POSTBACKS, "dev", *arguments],
                env=bare_environ() | shell.environ,
                cwd=shell.folder,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def told(self) -> str:
        """All that it printed, on both."""
        return self.out.read_text() + self.err.read_text()

    async def ready(self) -> Dev:
        """Wait until it says so."""
        await until(self._is_ready, self.told)
        return self

    def wait(self) -> Dev:
        """The same, for fixtures that outlive a test's loop."""
        while not self._is_ready():
            time.sleep(0.1)
        return self

    @property
    def address(self) -> str:
        """Where it serves its pages."""
        [address] = re.findall(r"pages +(http://\S+?)/ ", self.told())
        return str(address)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.told()
        return "is ready" in self.out.read_text()

    def children(self) -> list[psutil.Process]:
        """The processes that it started, itself not among them."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process:
        """The one whose command holds `word`."""
        [found] = [child for child in self.children() if word in " ".join(child.cmdline())]
        return found

    async def ended(self) -> int:
        """Wait for its end; its status."""
        return await asyncio.to_thread(self.process.wait, 40)

    async def stop(self) -> int:
        """Ctrl-C, as a terminal sends it to the group of processes in front, and its status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return await self.ended()


@contextmanager
def dev(shell: Shell, *arguments: str) -> Iterator[Dev]:
    """Start `postbacks dev`; it is killed at the end."""
    started = Dev(shell, *arguments)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
