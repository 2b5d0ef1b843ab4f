"""A forward proxy for the tests: CONNECT over real sockets, what it was asked is kept as bytes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType

from app.outbound.connections import tls_context
from app.outbound.guard import Guard
from app.outbound.source import Source
from app.outbound.tunnel import Proxy
from app.settings import ProxyLink
from tests.outbound import LOOPBACK


class ForwardProxy:
    """A proxy on a free port of loopback, which connects to wherever it is told.

    `answer` is sent instead of connecting: a refusal, or anything else that a proxy may say; None hangs.
    `needs` is the value of `Proxy-Authorization` without which it says 407. `dead` addresses get a 503.
    """

    def __init__(
        self,
        answer: bytes | None = b"",
        *,
        needs: bytes = b"",
        dead: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._answer = answer
        self._needs = needs
        self._dead = dead
        self._tls = tls
        self.port = 0
        self.heads: list[bytes] = []
        self.peers: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> ForwardProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
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

    def link(self, host: str = "127.0.0.1", username: str = "", password: str = "") -> ProxyLink:
        """The setting that leads here."""
        return ProxyLink("https" if self._tls else "http", host, self.port, username, password)

    @property
    def asked(self) -> list[bytes]:
        """What it was asked to connect to, in order."""
        return [head.split(b" ")[1] for head in self.heads]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.peers.append(writer.get_extra_info("peername")[0])
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side went away, or the test is over
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self._needs and b"Proxy-Authorization: " + self._needs + b"\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!")
        elif self._answer is None:
            await reader.read()
        elif self._answer:
            writer.write(self._answer)
            await writer.drain()
            await reader.read()
        else:
            await self._connect(head.split(b" ")[1].decode(), reader, writer)

    async def _connect(
        self, authority: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = authority.rpartition(":")
        if host.strip("[]") in self._dead:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            return
        there_reader, there_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            there_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(64 * 1024):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof() if writer.can_write_eof() else writer.close()


def way_through(
    link: ProxyLink,
    guard: Guard = LOOPBACK,
    *,
    source: Source | None = None,
    tls: ssl.SSLContext | None = None,
) -> Proxy:
    """The sender's side of a proxy."""
    return Proxy(link, guard.check, (source or Source()).open_socket, tls or tls_context())
