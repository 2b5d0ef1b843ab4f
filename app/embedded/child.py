"""An engine as a child process on a loopback port: started, looked after, ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from app.kit.process import StartFault

HOST = "127.0.0.1"
_START_S = 30.0
_STOP_S = 12.0  # longer than an engine gives itself
_LOOK_S = 0.02
_KEPT = 4096  # characters of what it said last


@dataclass
class Child:
    """A running engine: what a person calls it, its process, the end of what it said on standard error."""

    name: str
    process: Process
    port: int
    said: str = ""

    async def ended(self) -> str:
        """Wait for its end; says how it ended."""
        status = await self.process.wait()
        how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        why = re.sub(r"^postbacks embedded \w+: ", "", lines[-1]) if lines else ""
        return f"{self.name} ended ({how})" + (f": {why}" if why else "")

    async def listening(self) -> None:
        """Wait until it listens on its port. Raises `StartFault`."""
        try:
            async with asyncio.timeout(_START_S):
                while not _listens(self.port):
                    if self.process.returncode is not None:
                        raise StartFault(await self.ended())
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            text = f"{self.name} does not listen on {HOST}:{self.port} after {_START_S:g} s"
            raise StartFault(text) from None

    async def keep_what_it_says(self) -> None:
        """Keep the end of it, until it ends."""
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(_KEPT):
            self.said = (self.said + chunk.decode("utf-8", "replace"))[-_KEPT:]


@contextlib.asynccontextmanager
async def running(name: str, command: Sequence[str], port: int) -> AsyncIterator[Child]:
    """Run `command`, Python's arguments, which will listen on `port`.

    It is in a session of its own, so that Ctrl-C reaches the parent alone.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", *command),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,
    )
    child = Child(name, process, port)
    keeping = asyncio.create_task(child.keep_what_it_says())
    try:
        yield child
    finally:
        await _end(process)
        await keeping


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
                return
        process.kill()
        await process.wait()


def port_of(wanted: int) -> int:
    """`wanted` when nobody listens there, for 0 a free port. Raises `StartFault` for one that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            why = f"cannot listen on {HOST}:{wanted} ({error.strerror})"
            raise StartFault(f"{why}: choose another --port, 0 takes a free one") from error
        port: int = probe.getsockname()[1]
        return port
