"""The connections of the courier: how they are made, kept and given up.

Facts that shape this module (read in aiohttp 3.14.5, each with a test in `tests/integration`):
- Bytes that arrive on an idle kept connection become the answer to the next request on it. Such a
  connection is not used again, and the system is asked whether there are some that nobody read yet
  (`Pool.kept`).
- Kept connections are given up after 4 s, before servers do (Apache and Node: 5 s), so that a request
  seldom meets a connection that is just being closed.
- The library resolves a name and then makes the connection in `_wrap_create_connection`: there a proxy takes
  over, with the addresses that the guard is to see. The library's own way would tell a proxy the name.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from yarl import URL

from app.outbound.answers import os_text
from app.outbound.guard import AddressBlocked, AddrInfo, OpenSocket, connecting, refused
from app.outbound.handler import Handler, new_handler
from app.outbound.tunnel import Proxy, ProxyFault, ProxyRefused
from app.outbound.wire import origin_of

KEEP_ALIVE_S = 4.0
_MOST_ORIGINS = 10_000
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_MOST_ADDRESSES = 4  # of each family


class Origin(NamedTuple):
    """Where a request goes, as the library wants to have it: it is never sent itself."""

    request: ClientRequest
    key: ConnectionKey


class Pool(aiohttp.TCPConnector):
    """Connections by host, port and scheme, without a limit of its own: `hosts` says what is in flight.

    Through a proxy each is a tunnel of its own to one receiver, and kept for that receiver alone.
    """

    def __init__(
        self, open_socket: OpenSocket, proxy: Proxy | None, tls: ssl.SSLContext, resolver: AbstractResolver
    ) -> None:
        super().__init__(
            limit=0,
            keepalive_timeout=KEEP_ALIVE_S,
            ssl=tls,
            resolver=resolver,
            socket_factory=open_socket,
        )
        self._factory = functools.partial(new_handler, loop=self._loop)
        self._proxy = proxy
        self._origins: dict[str, Origin] = {}

    def origin(self, link: str) -> Origin:
        """Scheme, host and port of a link, as the library wants to have them. Raises `ValueError`."""
        text = origin_of(link)
        if (known := self._origins.get(text)) is not None:
            return known
        if len(self._origins) >= _MOST_ORIGINS:
            self._origins.clear()
        url = URL(text, encoded=True)
        if url.scheme not in ("http", "https"):
            raise ValueError("neither http nor https")
        request = ClientRequest("GET", url, loop=self._loop)
        made = self._origins[text] = Origin(request, request.connection_key)
        return made

    async def kept(self, origin: Origin) -> Connection | None:
        """A kept connection on which nothing has come since, no end either."""
        while (connection := await self._get(origin.key, [])) is not None:
            handler = connection.protocol
            if isinstance(handler, Handler) and handler.is_usable():
                return connection
            connection.close()
        return None

    async def made(self, origin: Origin) -> Connection:
        """A new connection. Raises what the library does, and `ProxyFault`."""
        return await self.connect(origin.request, [], _NO_TIMEOUT)

    async def _resolve_host(
        self, host: str, port: int, traces: Sequence[Any] | None = None
    ) -> list[ResolveResult]:
        """Some addresses of a name. What only resembles an address, such as `127.1`, is refused like one."""
        try:
            return _few(await super()._resolve_host(host, port, traces))
        except aiohttp.InvalidUrlClientError:
            raise refused(host, "no address in its usual spelling") from None

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[AddrInfo],
        req: ClientRequest,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 – the library's signature
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """A connection to one of the addresses. The library calls again with those that are left then."""
        if self._proxy is not None:
            # IPv4 first: nobody here knows whether the proxy has IPv6.
            targets = sorted(addr_infos, key=lambda info: info[0] != socket.AF_INET)
            addr_infos.clear()
            return await self._through(self._proxy, targets, req, kwargs.get("server_hostname"))
        try:
            return await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, timeout=timeout, client_error=client_error, **kwargs
            )
        except aiohttp.ClientConnectorError as error:
            if not isinstance(error, aiohttp.ClientSSLError):
                addr_infos.clear()  # each was tried; else a host with ten of them sees 55 connections
            raise

    async def _through(
        self, proxy: Proxy, targets: list[AddrInfo], req: ClientRequest, server_hostname: str | None
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        last: Exception | None = None
        for info in targets:
            address, port = str(info[4][0]), int(info[4][1])
            try:
                proxy.check(address)
                transport = await self._tunnel(proxy, address, port)
                return await self._speak(transport, req, server_hostname)
            except AddressBlocked as error:
                last = last or aiohttp.ClientConnectorError(req.connection_key, error)
            except (ProxyRefused, aiohttp.ClientConnectorError) as error:
                last = error
        assert last is not None
        raise last

    async def _tunnel(self, proxy: Proxy, address: str, port: int) -> asyncio.Transport:
        flight = connecting.get()
        try:
            found = await self._resolve_host(proxy.host, proxy.port)
        except OSError as error:
            raise ProxyFault(f"the name of the proxy does not resolve: {os_text(error)}") from error
        if flight is not None:
            flight.at_proxy = True
        transport = await proxy.tunnel(self._convert_hosts_to_addr_infos(found), address, port)
        if flight is not None:
            flight.at_proxy = False
        return transport

    async def _speak(
        self, transport: asyncio.Transport, req: ClientRequest, server_hostname: str | None
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Lay HTTP, or TLS and HTTP, over a tunnel."""
        protocol = Handler(self._loop)
        tls = self._get_ssl_context(req)
        if tls is None:
            transport.set_protocol(protocol)
        else:
            transport = await self._secured(transport, protocol, tls, req, server_hostname)
        protocol.connection_made(transport)
        return transport, protocol

    async def _secured(
        self,
        transport: asyncio.Transport,
        protocol: ResponseHandler,
        tls: ssl.SSLContext,
        req: ClientRequest,
        server_hostname: str | None,
    ) -> asyncio.Transport:
        key = req.connection_key
        secured: asyncio.Transport | None = None
        try:
            secured = await self._loop.start_tls(transport, protocol, tls, server_hostname=server_hostname)
            if secured is None:
                raise ConnectionResetError  # closed meanwhile
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(key, error) from error
        except OSError as error:
            raise aiohttp.ClientConnectorError(key, error) from error
        finally:
            if secured is None:
                transport.abort()
        return secured


def _few(found: list[ResolveResult]) -> list[ResolveResult]:
    """The first addresses of each family: a name with a thousand would have us knock at each in one send."""
    seen: Counter[bool] = Counter()
    kept = []
    for one in found:
        seen[":" in one["host"]] += 1
        if seen[":" in one["host"]] <= _MOST_ADDRESSES:
            kept.append(one)
    return kept


def tls_context() -> ssl.SSLContext:
    """Certificates and names verified against the system's authorities, TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
