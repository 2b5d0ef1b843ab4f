"""What comes on one connection: handed to the library's parser with care, and counted.

Facts that shape this module (read in aiohttp 3.14.5, each with a test in `tests/integration`):
- The parser takes interim answers, blank lines and chunk extensions without end, and keeps each interim one.
  `Handler` counts heads and bytes.
- It takes 5 µs for each chunk of a body. `Handler` counts what ends them.
- The parser forgets the answers of a piece of bytes in which anything is wrong, so what follows a body
  that is longer than its Content-Length says would take a good answer with it; and what is wrong inside a
  body leaves its reader waiting. `Handler` feeds an answer's head by itself and wakes the reader.
"""

from __future__ import annotations

import asyncio
import re

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage

from app.outbound.answers import READ_BYTES

MAX_WIRE_BYTES = 2**20  # of one answer: its head, and its body with what frames it
_MOST_HEADS = 16  # of one answer, its interim ones (1xx) included
_MOST_CHUNKS = 8192
_PIECE_BYTES = 16 * 1024
_head_end = re.compile(rb"\n\r?\n")


class Flooded(aiohttp.ClientPayloadError):
    """An answer is larger around its body than any that means well; the text says by what."""


class Handler(ResponseHandler):
    """One connection's side of HTTP. What an answer may cost is counted from `begin` on."""

    def begin(self) -> None:
        """Be ready for the answer to the next request."""
        self._left = MAX_WIRE_BYTES
        self._heads_left = _MOST_HEADS
        self._line_ends_left = 2 * _MOST_CHUNKS
        self._is_in_body = self._is_chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.begin()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not data:  # the library goes on with what it had put aside
            super().data_received(data)
            return
        self._left -= len(data)
        if self._left < 0:
            self._refuse(f"the answer has over {MAX_WIRE_BYTES // 2**20} MiB around its body")
        while data and self.exception() is None:
            data = data[self._feed(data) :]

    def _feed(self, data: bytes) -> int:
        """Hand one head over, or what there is of a body; the number of bytes that it was."""
        if self._is_chunked:
            return self._feed_chunks(data[:_PIECE_BYTES])
        if self._is_in_body:
            super().data_received(data)
            return len(data)
        if self._heads_left == 0:
            self._refuse(f"over {_MOST_HEADS} heads came before the answer's")
            return len(data)
        found = _head_end.search(data)
        end = found.end() if found else len(data)
        self._heads_left -= found is not None
        super().data_received(data[:end])
        return end

    def _feed_chunks(self, piece: bytes) -> int:
        """Each chunk costs the same, be it of one byte: a body of such would hold up all others."""
        self._line_ends_left -= piece.count(b"\n")
        if self._line_ends_left < 0 and self._payload is not None and self._payload.total_bytes < READ_BYTES:
            self._refuse(f"the answer's body comes in over {_MOST_CHUNKS} chunks")
        else:
            super().data_received(piece)
        return len(piece)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        code = data[0].code
        self._is_in_body = not 100 <= code < 200 or code == 101
        self._is_chunked = self._is_in_body and data[0].chunked
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        if self._payload is not None:
            # Soon, not now: what came before the fault is read first.
            self._loop.call_soon(_break, self._payload, exc)

    def _refuse(self, why: str) -> None:
        self.set_exception(Flooded(why))  # first: of two faults the reader hears the earlier
        if self.transport is not None:
            self.transport.close()


def _break(body: aiohttp.StreamReader, why: BaseException) -> None:
    if not body.is_eof() and body.exception() is None:
        body.set_exception(
            why if isinstance(why, Flooded) else aiohttp.ClientPayloadError("the body is broken")
        )


def new_handler(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    """A handler, for the library's connector."""
    return Handler(loop)
