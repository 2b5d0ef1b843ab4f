"""aiohttp's public client behind the courier's words: what is expected of the library is asked of it too."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol

import aiohttp
from yarl import URL

from app.messages.request import Request
from app.outbound.answers import READ_BYTES, Answer, Failure, FailureKind
from app.outbound.handler import MAX_HEADER_BYTES, MAX_HEADERS
from app.outbound.wire import put_together

NO_WORDS = "(the library's)"

_KINDS: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientPayloadError, "incomplete"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientResponseError, "malformed"),
    (aiohttp.ServerDisconnectedError, "closed"),
    (aiohttp.ClientOSError, "closed"),
)


class Sender(Protocol):
    """What sends one request, and says what came of it."""

    async def send(self, request: Request) -> Answer | Failure: ...


class LibraryClient:
    """The client, told to leave alone what the courier leaves alone. Its failures have no words of ours."""

    async def __aenter__(self) -> LibraryClient:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, request: Request) -> Answer | Failure:
        """Send a request without secrets."""
        came: list[Answer] = []
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(request.delivery.timeout_s):
                await self._exchange(request, came)
        except tuple(kind for kind, _ in _KINDS) as error:
            told = next(told for kind, told in _KINDS if isinstance(error, kind))
            took_ms = (loop.time() - began) * 1000
            return Failure(
                "incomplete" if came and told == "closed" else told,
                NO_WORDS,
                took_ms,
                came[-1] if came else None,
            )
        return came[-1]

    async def _exchange(self, request: Request, came: list[Answer]) -> None:
        wire = put_together(request, lambda _: None, 0)
        async with self._session.request(
            wire.method,
            URL(wire.link, encoded=True),
            headers=wire.headers,
            data=wire.body,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
        ) as response:
            answered = response.raw_headers
            headers = tuple((name.decode(), value.decode("utf-8", "replace")) for name, value in answered)
            body = b""
            came.append(Answer(response.status, headers, body, 1.0, complete=False))
            while len(body) < READ_BYTES and (piece := await response.content.readany()):
                body += piece
            whole = response.content.at_eof() and len(body) <= READ_BYTES
            came.append(Answer(response.status, headers, body[:READ_BYTES], 1.0, whole))
            if not whole:
                response.close()
