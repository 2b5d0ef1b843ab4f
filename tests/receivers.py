"""Receivers of postbacks for the tests: raw sockets that do what a script says, down to the byte.

A script is played for each request that arrives: `answer(200)`, `never()`, `drip(…)`, `reset(…)`. With
several scripts each request takes the next one and the last repeats. What arrived is kept as bytes, so
nothing between the sender and the assertion can tidy it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Received:
    """One request as it came: `head` up to and with the empty line, `body` as long as Content-Length says."""

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0]

    @property
    def target(self) -> bytes:
        """Path and query, as sent."""
        return self.line.split(b" ")[1]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names and values in the order of the wire, nothing folded or changed."""
        lines = self.head[:-4].split(b"\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of that name, in any case; None when it was not sent."""
        return next((value for found, value in self.headers if found.lower() == name.lower()), None)


@dataclass
class Exchange:
    """One request and the connection it came by; a script answers through it."""

    received: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep_open: bool = field(default=False)
    written: int = 0

    async def write(self, data: bytes) -> None:
        """Send bytes now."""
        self.writer.write(data)
        await self.writer.drain()
        self.written += len(data)

    def reset(self) -> None:
        """Break the connection with RST instead of FIN, which an unread linger of 0 does."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


def answer(status: int = 200, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> Script:
    """A proper answer with Content-Length; the connection stays open for the next request."""

    async def play(exchange: Exchange) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        exchange.keep_open = True
        await exchange.write("\r\n".join([*lines, "", ""]).encode() + body)

    return play


def raw(*pieces: bytes, keep_open: bool = False) -> Script:
    """Exactly these bytes, then the connection is closed, or waits for the next request."""

    async def play(exchange: Exchange) -> None:
        exchange.keep_open = keep_open
        for piece in pieces:
            await exchange.write(piece)

    return play


def never() -> Script:
    """Takes the request and says nothing until the other side goes away."""

    async def play(exchange: Exchange) -> None:
        await exchange.reader.read()

    return play


def drip(first: bytes, drop: bytes = b"x", every_s: float = 0.02) -> Script:
    """`first` at once, then `drop` again and again, so that no read ever waits long."""

    async def play(exchange: Exchange) -> None:
        await exchange.write(first)
        while True:
            await asyncio.sleep(every_s)
            await exchange.write(drop)

    return play


def flood(first: bytes, chunk: bytes) -> Script:
    """`first`, then `chunk` without end and as fast as it goes."""

    async def play(exchange: Exchange) -> None:
        await exchange.write(first)
        while True:
            await exchange.write(chunk)

    return play


def reset(after: bytes = b"") -> Script:
    """These bytes, then RST."""

    async def play(exchange: Exchange) -> None:
        await exchange.write(after)
        exchange.reset()

    return play


def late(delay_s: float, script: Script) -> Script:
    """Another script after a pause."""

    async def play(exchange: Exchange) -> None:
        await asyncio.sleep(delay_s)
        await script(exchange)

    return play


class Receiver:
    """A server on a free port of loopback. `async with Receiver(answer(200)) as receiver: …`"""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._scripts = list(scripts) or [answer()]
        self._tls = tls
        self.host = host
        self.port = 0
        self.requests: list[Received] = []
        self.connections = 0
        self.open = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str = "/") -> str:
        """The link of a path at this receiver."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    async def arrived(self, count: int, within_s: float = 10.0) -> list[Received]:
        """Wait until `count` requests are here, and return all that are."""
        await self._until(lambda: len(self.requests) >= count, within_s)
        return list(self.requests)

    async def all_closed(self, within_s: float = 10.0) -> None:
        """Wait until no connection is open any more."""
        await self._until(lambda: self.open == 0, within_s)

    async def _until(self, condition: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(condition)

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open += 1
        try:
            await self._serve(reader, writer, self.connections)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side went away, which is its right
        except asyncio.CancelledError:
            pass  # the test is over; the server's own callback would report it
        finally:
            self.open -= 1
            with contextlib.suppress(OSError):
                writer.close()
            with contextlib.suppress(asyncio.CancelledError):
                await self._note()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            received = Received(head, b"", connection)
            length = int(received.header(b"Content-Length") or 0)
            received = Received(head, await reader.readexactly(length), connection)
            script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
            self.requests.append(received)
            await self._note()
            exchange = Exchange(received, reader, writer)
            await script(exchange)
            if not exchange.keep_open:
                return
