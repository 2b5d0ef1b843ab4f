"""A receiver for drills: cheap, counts what arrives by its body, and behaves by the path asked for."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable

Behaviour = Callable[["Connection"], None]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answers(status: int = 200, headers: str = "", after_s: float = 0.0) -> Behaviour:
    """An answer without much to say, after a pause."""
    text = _OK if (status, headers) == (200, "") else _answer(status, headers)

    def behave(connection: Connection) -> None:
        if after_s:
            asyncio.get_running_loop().call_later(after_s, connection.write, text)
        else:
            connection.write(text)

    return behave


def _answer(status: int, headers: str) -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: 0\r\n\r\n".encode()


def hangs(_: Connection) -> None:
    """Says nothing, for ever."""


def drips(connection: Connection) -> None:
    """A body that never ends, a byte now and then."""
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    connection.drip()


class Sink:
    """`async with Sink(…) as sink`: a server on loopback whose `bodies` are what arrived, counted.

    `first_at` has the time (`time.perf_counter`) of a body's first arrival. `paths` says how a request of a
    path that begins so is answered; others get 200. Another `host` of 127.0.0.0/8 is another receiver.
    """

    def __init__(self, host: str = "127.0.0.1", **paths: Behaviour) -> None:
        self.host = host
        self.port = 0
        self.paths = paths
        self.bodies: Counter[str] = Counter()
        self.order: list[str] = []
        self.first_at: dict[str, float] = {}
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()

    async def __aenter__(self) -> Sink:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and break those that are open."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.abort()
        await self._server.wait_closed()

    def url(self, path: str = "ok") -> str:
        """The link of a path."""
        return f"http://{self.host}:{self.port}/{path}"

    def arrived(self, path: str, body: str, connection: Connection) -> None:
        """Count a request and behave."""
        self.bodies[body] += 1
        self.order.append(body)
        self.first_at.setdefault(body, time.perf_counter())
        self.paths.get(path.strip("/").partition("/")[0], answers())(connection)


class Connection(asyncio.Protocol):
    """One connection, request after request."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink._open.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            self._sink.arrived(head.split(b" ", 2)[1].decode(), body.decode(), self)

    def write(self, data: bytes) -> None:
        """Send, if anybody still listens."""
        if self._transport is not None:
            self._transport.write(data)

    def drip(self) -> None:
        """A byte, and again after a while."""
        if self._transport is not None:
            self._transport.write(b"x")
            asyncio.get_running_loop().call_later(0.2, self.drip)

    def abort(self) -> None:
        """Break it."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.abort()
