"""Carry one request to its receiver, once, and bring back what was said. No decisions.

What is on the wire is what was rendered: the link's path and query byte for byte, `Host` as the link has
it, headers in their order, the body in UTF-8 (`wire` says what is added).

Sent once is sent once: aiohttp sends a GET again by itself when a kept connection breaks before an answer
(read in 3.14.5). Each send must have its row, and a GET counts a conversion here, so that is off for every
method (`_once`); the policy decides what comes again.

One deadline, the request's `timeout_s`, spans name resolution, connection, TLS, head and body of the
answer. An answer is read up to 64 KiB, then the connection is closed: that is an answer. One that breaks
off or runs out of time inside its body is a failure that holds what came.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from types import TracebackType

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from yarl import URL

from app.kit.clock import now_ms
from app.messages.request import Request
from app.outbound.answers import READ_BYTES, Answer, Failure, FailureKind, os_text
from app.outbound.connections import Pool, tls_context
from app.outbound.guard import Connecting, OpenSocket, connecting
from app.outbound.handler import Flooded
from app.outbound.inflate import inflate
from app.outbound.names import Names
from app.outbound.tunnel import Proxy, ProxyFault
from app.outbound.wire import Wire, put_together
from app.templates.pipeline import SecretMissing
from app.templates.text import Unsendable

MAX_HEADERS = 128
MAX_HEADER_BYTES = 16 * 1024  # of one line; receivers with large policies and cookies pass 8 KiB
_NOTHING_BY_ITSELF = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)

_Broken = tuple[FailureKind, str]


class Courier:
    """Sends requests over kept connections; `async with` it, inside the event loop that uses it.

    `secret` gives a secret's value by its name, `open_socket` is the guard's; with a `proxy` every
    connection goes through it, and it asks the guard. `tls` and `resolver` stand
    in for the system's certificate authorities and name service; `clock` gives seconds for durations,
    `unix_ms` the time that is signed.
    """

    def __init__(
        self,
        secret: Callable[[str], str | None],
        open_socket: OpenSocket,
        *,
        proxy: Proxy | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        clock: Callable[[], float] = time.monotonic,
        unix_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._secret = secret
        self._open_socket = open_socket
        self._proxy = proxy
        self._tls = tls or tls_context()
        self._resolver = resolver
        self._clock = clock
        self._unix_ms = unix_ms
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Courier:
        if self._resolver is None:
            self._names = Names()
        self._session = aiohttp.ClientSession(
            connector=Pool(self._open_socket, self._proxy, self._tls, self._resolver or self._names),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            middlewares=(_once,),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; what is still in flight fails."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is None:
            await self._names.close()

    async def send(self, request: Request) -> Answer | Failure:
        """Send `request` once and say what came of it; raises nothing but cancellation."""
        flight = _Flight()
        started = self._clock()
        broken = await self._fly(request, flight)
        duration_ms = (self._clock() - started) * 1000
        answer = flight.answer(duration_ms)
        if broken is not None:
            return Failure(*broken, duration_ms, answer)
        assert answer is not None
        return answer

    async def _fly(self, request: Request, flight: _Flight) -> _Broken | None:
        token = connecting.set(flight)
        timeout_s = request.delivery.timeout_s
        try:
            wire = put_together(request, self._secret, self._unix_ms() // 1000)
            async with asyncio.timeout(timeout_s):
                await self._exchange(wire, flight)
        except TimeoutError:
            return "timeout", flight.overdue(timeout_s)
        except (SecretMissing, Unsendable) as fault:
            return "unsendable", str(fault)
        except Exception as error:  # whatever a receiver makes the library raise is no error of ours
            return _told(error, flight)
        finally:
            connecting.reset(token)
        return None

    async def _exchange(self, wire: Wire, flight: _Flight) -> None:
        assert self._session is not None, "a Courier is used inside `async with`"
        response = await self._session.request(
            wire.method,
            URL(wire.link, encoded=True),
            headers=wire.headers,
            data=wire.body,
            skip_auto_headers=_NOTHING_BY_ITSELF,
            allow_redirects=False,
        )
        try:
            flight.status = response.status
            flight.headers = response.raw_headers
            while len(flight.body) < READ_BYTES and (piece := await response.content.readany()):
                flight.body += piece
            flight.complete = response.content.at_eof() and len(flight.body) <= READ_BYTES
        finally:
            response.close()  # a connection whose answer was read to its end is kept already


class _Flight(Connecting):
    """How far one send has come."""

    def __init__(self) -> None:
        super().__init__()
        self.status: int | None = None
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.body = bytearray()
        self.complete = False

    def answer(self, duration_ms: float) -> Answer | None:
        """What was read of the answer; None before status and headers were."""
        if self.status is None:
            return None
        headers = tuple((_utf8(name), _utf8(value)) for name, value in self.headers)
        encoding = ",".join(value for name, value in headers if name.lower() == "content-encoding")
        body = inflate(bytes(self.body), encoding, READ_BYTES + 1)
        complete = self.complete and len(body) <= READ_BYTES
        return Answer(self.status, headers, body[:READ_BYTES], duration_ms, complete)

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


class _SentOnce(aiohttp.ClientError):
    """A connection broke after the request went out; in this wrapping aiohttp does not send again."""


async def _once(request: ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _SentOnce from error


def _told(error: Exception, flight: _Flight) -> _Broken:
    """What went wrong, by its kind and in words. The library's own texts hold links and are not used."""
    cause = error.__cause__ if isinstance(error, _SentOnce) else error
    if isinstance(cause, ProxyFault):
        return "proxy", str(cause)
    if isinstance(cause, Flooded):
        return "malformed" if flight.status is None else "incomplete", str(cause)
    if flight.status is not None:
        return "incomplete", f"the answer broke off after {len(flight.body)} bytes of its body"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return _not_connected(cause, flight)
    if isinstance(cause, aiohttp.ClientResponseError):
        return "malformed", _malformed(cause)
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        begun = not isinstance(cause.message, str)
        return "closed", "closed inside the answer's head" if begun else "closed without an answer"
    if isinstance(cause, ValueError):  # the library's refusal of a link or a header, before any byte
        return "unsendable", "the link or a header holds what HTTP cannot carry"
    if isinstance(cause, OSError):
        return "closed", f"the connection broke: {os_text(cause)}"
    return "unexpected", type(cause).__name__


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
