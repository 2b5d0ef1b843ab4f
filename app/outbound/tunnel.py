"""A way through the operator's HTTP proxy: CONNECT (RFC 9110, 9.3.6) to an address that the guard has seen.

The name of a receiver is resolved here, each address is asked of the guard, and the proxy is told the
address, never the name: what it connects to is what was checked. The connection to the proxy itself is the
operator's word and not asked about.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence

from app.outbound.answers import os_text
from app.outbound.guard import AddrInfo, OpenSocket
from app.settings import ProxyLink

_MAX_HEAD_BYTES = 16 * 1024
_status = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r?\n)")


class ProxyFault(Exception):
    """The proxy made no connection; the text says why and holds no password."""


class ProxyRefused(ProxyFault):
    """The proxy works, and made no connection to this address; it may make one to another."""


class Proxy:
    """The proxy at `link`. `check` is the guard's, `open_socket` asks no guard; `tls` is for https://."""

    def __init__(
        self,
        link: ProxyLink,
        check: Callable[[str], None],
        open_socket: OpenSocket,
        tls: ssl.SSLContext,
    ) -> None:
        self.host = link.host
        self.port = link.port
        self.check = check
        self._open_socket = open_socket
        self._tls = tls if link.scheme == "https" else None
        self._authorization = _authorization(link)

    async def tunnel(self, proxy: Sequence[AddrInfo], address: str, port: int) -> asyncio.Transport:
        """A transport to `address`, by way of the proxy at one of `proxy`; its owner gives it a protocol.

        Raises `ProxyFault`.
        """
        transport, ask = await self._reach(proxy)
        try:
            await ask.connected(transport, _authority(address, port), self._authorization)
        except BaseException:
            transport.abort()
            raise
        return transport

    async def _reach(self, proxy: Sequence[AddrInfo]) -> tuple[asyncio.Transport, _Ask]:
        sock = await self._socket(proxy)
        name = self.host if self._tls else None
        try:
            return await asyncio.get_running_loop().create_connection(
                _Ask, sock=sock, ssl=self._tls, server_hostname=name
            )
        except ssl.SSLCertVerificationError as error:
            raise ProxyFault(f"the certificate of the proxy is refused: {error.verify_message}") from error
        except OSError as error:
            raise ProxyFault("no TLS connection to the proxy: the handshake failed") from error

    async def _socket(self, proxy: Sequence[AddrInfo]) -> socket.socket:
        last: OSError | None = None
        for info in proxy:
            try:
                return await self._connected(info)
            except OSError as error:
                last = error
        told = os_text(last) if last else "its name has no address"
        raise ProxyFault(f"no connection to the proxy: {told}") from last

    async def _connected(self, info: AddrInfo) -> socket.socket:
        sock = self._open_socket(info)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, info[4])
        except BaseException:
            sock.close()
            raise
        return sock


class _Ask(asyncio.Protocol):
    """One CONNECT and the head of its answer."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connected(self, transport: asyncio.Transport, authority: str, authorization: str) -> None:
        """Ask for a connection to `authority`, and return when it is made. Raises `ProxyFault`."""
        transport.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{authorization}\r\n".encode())
        await self._answer
        head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
        found = _status.match(head + end)
        if found is None or not end:
            raise ProxyFault("what answers for the proxy is no HTTP proxy")
        status = int(found[1])
        if status == 407:
            raise ProxyFault("the proxy refused our user or password (status 407): POSTBACKS_PROXY")
        if not 200 <= status < 300:
            raise ProxyRefused(f"the proxy refused to connect to {authority}: status {status}")
        if rest:  # no receiver speaks first: taken for its answer, it would be anybody's
            raise ProxyFault("the proxy sent more than the answer to CONNECT")

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._answer.done() and (b"\r\n\r\n" in self._head or len(self._head) > _MAX_HEAD_BYTES):
            self._answer.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(ProxyFault("the proxy closed the connection without an answer"))


def _authority(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _authorization(link: ProxyLink) -> str:
    if not link.username and not link.password:
        return ""
    credentials = b64encode(f"{link.username}:{link.password}".encode()).decode()
    return f"Proxy-Authorization: Basic {credentials}\r\n"
