"""The system's name service, so that one dead name server holds up nothing else.

The event loop's own threads are few, and one dead name server holds them all. Names are resolved on threads
of our own; the client library asks once for each name at a time.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

NAME_THREADS = 32


class Names(AbstractResolver):
    """The system's name service, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(NAME_THREADS, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of `host`. Raises `socket.gaierror`."""
        # As bytes: Python would put a text through its own, older IDNA and raise what is no OSError.
        name = host.encode()
        look_up = functools.partial(
            socket.getaddrinfo, name, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(hostname=host, host=str(target[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, target in found
        ]

    async def close(self) -> None:
        """Let go of the threads; a lookup that hangs ends with its own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)
