"""Carry one request to its receiver, once, and bring back what was said. No decisions.

What is on the wire is what was rendered: the link's path and query byte for byte, `Host` as the link has
it, headers in their order, the body in UTF-8 (`wire` says what is added).

Sent once is sent once: aiohttp's client sends a GET again by itself when a kept connection breaks before an
answer (read in 3.14.5). Each send must have its row, and a GET counts a conversion here, so nothing is sent
again here; the policy decides what comes again. Of the library serve its connector, its parser and its writer
of heads, without a session, request and response for each exchange, which cost more than all of these.

One deadline, the request's `timeout_s`, spans name resolution, connection, TLS, head and body of the
answer; an access token that has to be fetched before has 10 s of its own. An answer is read up to 64 KiB,
then the connection is closed: that is an answer. One that breaks off or runs out of time inside its body is a
failure that holds what came.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict

from app.kit.clock import now_ms
from app.kit.oauth import BadCredential
from app.kit.secrets import Secrets
from app.messages.request import Request
from app.outbound.answers import READ_BYTES, Answer, Failure, FailureKind, os_text
from app.outbound.connections import Origin, Pool, tls_context
from app.outbound.guard import Connecting, OpenSocket, connecting
from app.outbound.handler import MAX_HEADER_BYTES, MAX_HEADERS, Flooded, Handler
from app.outbound.inflate import inflate
from app.outbound.names import Names
from app.outbound.token_source import TokenSource, TokenWanted, refusal_of
from app.outbound.tunnel import Proxy, ProxyFault
from app.outbound.wire import Wire, form_to, put_together, target_of
from app.templates.pipeline import SecretMissing
from app.templates.text import Unsendable

_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2

_Broken = tuple[FailureKind, str]

TOKEN_TIMEOUT_S = 10.0
_MOST_TOKENS = 5  # that one request may wait for


class Courier:
    """Sends requests over kept connections; `async with` it, inside the event loop that uses it.

    `open_socket` is the guard's; with a `proxy` every connection goes through it, and it asks the guard.
    Token servers (`token_source`) are asked in the same way. `tls` and `resolver` stand in for the system's
    certificate authorities and name service; `clock` gives seconds for durations, `unix_ms` the time that is
    signed.
    """

    def __init__(
        self,
        secrets: Secrets,
        open_socket: OpenSocket,
        *,
        proxy: Proxy | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        clock: Callable[[], float] = time.monotonic,
        unix_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._open_socket = open_socket
        self._proxy = proxy
        self._tls = tls or tls_context()
        self._resolver = resolver
        self._clock = clock
        self._unix_ms = unix_ms
        self._tokens = TokenSource(secrets, self._post, clock, self._unix_s)
        self._pool: Pool | None = None

    async def __aenter__(self) -> Courier:
        if self._resolver is None:
            self._names = Names()
        resolver = self._resolver or self._names
        self._pool = Pool(self._open_socket, self._proxy, self._tls, resolver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; what is still in flight fails."""
        await self._tokens.close()
        if self._pool is not None:
            await self._pool.close()
        if self._resolver is None:
            await self._names.close()

    async def send(self, request: Request) -> Answer | Failure:
        """Send `request` once and say what came of it; raises nothing but cancellation."""
        flight = _Flight()
        started = self._clock()
        broken = await self._fly(request, flight)
        return self._came_of(flight, broken, started)

    def _came_of(self, flight: _Flight, broken: _Broken | None, started: float) -> Answer | Failure:
        """What came of a flight that began at `started`."""
        duration_ms = (self._clock() - started) * 1000
        answer = flight.answer(duration_ms)
        if broken is not None:
            return Failure(*broken, duration_ms, answer, flight.refusal)
        assert answer is not None
        return answer

    async def _fly(self, request: Request, flight: _Flight) -> _Broken | None:
        made = self._put_together(request)
        if isinstance(made, TokenWanted):
            made = await self._with_token(request, made, flight)
        if not isinstance(made, Wire):
            return made
        given = self._tokens.given()
        broken = await self._carry(made, flight, request.delivery.timeout_s)
        if given and flight.status is not None:
            if self._tokens.is_outdated(given, flight.status):
                return "token", f"status {flight.status}: the access token is outdated, another is fetched"
            flight.refusal = refusal_of(given, flight.status)
        return broken

    def _put_together(self, request: Request) -> Wire | TokenWanted | _Broken:
        try:
            return put_together(request, self._tokens, self._unix_s())
        except TokenWanted as wanted:
            made: TokenWanted | _Broken = wanted
        except BadCredential as fault:
            made = "credential", str(fault)
        except (SecretMissing, Unsendable) as fault:
            made = "unsendable", str(fault)
        except Exception as error:  # a request that breaks us must not stop the others
            made = _told(error, _Flight())
        self._tokens.given()  # of a request that is not sent
        return made

    async def _with_token(self, request: Request, wanted: TokenWanted, flight: _Flight) -> Wire | _Broken:
        """The request with the access tokens that it has to wait for."""
        for _ in range(_MOST_TOKENS):
            fault = await self._tokens.fetch(wanted.held)
            if fault is not None:
                kind: FailureKind = "credential" if fault.refused else "token"
                flight.refusal = wanted.held.refusal
                return kind, f"no access token for secret {wanted.held.name}: {fault.reason}"
            made = self._put_together(request)
            if not isinstance(made, TokenWanted):
                return made
            wanted = made
        return "token", f"the access token of secret {wanted.held.name} expires before it can be sent"

    async def _post(self, link: str, form: bytes) -> Answer | Failure:
        """Send a form to a token server."""
        flight = _Flight()
        started = self._clock()
        broken = await self._carry(form_to(link, form), flight, TOKEN_TIMEOUT_S)
        return self._came_of(flight, broken, started)

    async def _carry(self, wire: Wire, flight: _Flight, timeout_s: float) -> _Broken | None:
        try:
            await self._exchange(wire, flight, timeout_s)
        except TimeoutError:
            return "timeout", flight.overdue(timeout_s)
        except Exception as error:  # whatever a receiver makes the library raise is no error of ours
            return _told(error, flight)
        return None

    def _unix_s(self) -> int:
        return self._unix_ms() // 1000

    async def _exchange(self, wire: Wire, flight: _Flight, timeout_s: float) -> None:
        assert self._pool is not None, "a Courier is used inside `async with`"
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + timeout_s
        written = _written(wire)
        origin = self._pool.origin(wire.link)
        connection = await self._pool.kept(origin) or await _made(self._pool, origin, flight, timeout_s)
        flight.connected = True
        handler = connection.protocol
        assert isinstance(handler, Handler)
        try:
            asked = handler.ask(written, is_head=wire.method == "HEAD")
            timer = loop.call_at(ends_s, _expire, asked)
            try:
                await asked
            finally:
                timer.cancel()
                flight.took(handler)
        except BaseException:
            connection.close()
            raise
        connection.release()  # closed unless its answer was read to its end


async def _made(pool: Pool, origin: Origin, flight: _Flight, timeout_s: float) -> Connection:
    token = connecting.set(flight)
    try:
        async with asyncio.timeout(timeout_s):
            return await pool.made(origin)
    finally:
        connecting.reset(token)


def _expire(asked: asyncio.Future[None]) -> None:
    if not asked.done():
        asked.set_exception(TimeoutError())


def _written(wire: Wire) -> bytes:
    """The bytes of a request; the writer refuses control characters. Raises `ValueError`."""
    if not _token.fullmatch(wire.method):
        raise ValueError("no method")
    headers = CIMultiDict(sorted(wire.headers, key=lambda header: header[0] != "Host"))  # Host comes first
    if wire.body is not None or wire.method not in ("GET", "HEAD"):
        headers.add("Content-Length", str(len(wire.body or b"")))
    head: bytes = _serialize_headers(f"{wire.method} {target_of(wire.link)} HTTP/1.1", headers)
    return head + wire.body if wire.body else head


class _Flight(Connecting):
    """How far one send has come."""

    def __init__(self) -> None:
        super().__init__()
        self.status: int | None = None
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.body = b""
        self.complete = False
        self.refusal: int | None = None

    def took(self, handler: Handler) -> None:
        """Keep what has come of the answer."""
        if handler.message is not None:
            self.status = handler.message.code
            self.headers = handler.message.raw_headers
            self.body = handler.body()
            self.complete = handler.is_whole() and len(self.body) <= READ_BYTES

    def answer(self, duration_ms: float) -> Answer | None:
        """What was read of the answer; None before status and headers were."""
        if self.status is None:
            return None
        headers = tuple([(_utf8(name), _utf8(value)) for name, value in self.headers])
        encoding = ",".join([value for name, value in headers if name.lower() == "content-encoding"])
        body = inflate(self.body, encoding, READ_BYTES + 1)
        complete = self.complete and len(body) <= READ_BYTES
        return Answer(self.status, headers, body[:READ_BYTES], duration_ms, complete, self.refusal)

    def overdue(self, timeout_s: float) -> str:
        """What had not happened when the time was over."""
        if self.status is not None:
            return f"the body was not complete within {timeout_s:g} s, {len(self.body)} bytes had come"
        if self.connected:
            return f"no answer within {timeout_s:g} s"
        if self.at_proxy:
            return f"the proxy made no connection within {timeout_s:g} s"
        if self.opened:
            return f"no connection within {timeout_s:g} s"
        return f"the name was not resolved within {timeout_s:g} s"


def _told(error: Exception, flight: _Flight) -> _Broken:
    """What went wrong, by its kind and in words. The library's own texts hold links and are not used."""
    if isinstance(error, ProxyFault):
        return "proxy", str(error)
    if isinstance(error, Flooded):
        return "malformed" if flight.status is None else "incomplete", str(error)
    if flight.status is not None:
        return "incomplete", f"the answer broke off after {len(flight.body)} bytes of its body"
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error, flight)
    if isinstance(error, HttpProcessingError):
        return "malformed", _malformed(error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        begun = not isinstance(error.message, str)
        return "closed", "closed inside the answer's head" if begun else "closed without an answer"
    if isinstance(error, ValueError):  # the library's refusal of a link or a header, before any byte
        return "unsendable", "the link or a header holds what HTTP cannot carry"
    if isinstance(error, OSError):
        return "closed", f"the connection broke: {os_text(error)}"
    return "unexpected", type(error).__name__


def _malformed(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, LineTooLong):
            return f"a line of the answer's head is over {MAX_HEADER_BYTES // 1024} KiB"
        if isinstance(error, BadHttpMessage) and "Too many headers" in error.message:
            return f"the answer has over {MAX_HEADERS} headers"
        error = error.__cause__
    return "the answer is not HTTP"


def _not_connected(error: aiohttp.ClientConnectorError, flight: _Flight) -> _Broken:
    if flight.blocked and not flight.opened:
        return "blocked", str(flight.blocked[0].strerror)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", f"the name does not resolve: {os_text(error.os_error)}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        told = getattr(error.certificate_error, "verify_message", "") or "not accepted"
        return "tls", f"the certificate is refused: {told}"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls", f"no TLS connection: {getattr(error.os_error, 'reason', None) or 'handshake failed'}"
    if isinstance(error.os_error, ConnectionResetError):  # before a connection it would be a refusal
        return "tls", "no TLS connection: closed inside the handshake"
    return "connect", f"no connection: {os_text(error.os_error)}"


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
