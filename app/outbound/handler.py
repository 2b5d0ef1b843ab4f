"""One connection's side of HTTP: a request is written, its answer is parsed by the library, and counted.

Facts that shape this module (read in aiohttp 3.14.5, each with a test in `tests/integration`):
- The parser takes interim answers, blank lines and chunk extensions without end. `Handler` counts heads and
  bytes.
- It takes 5 µs for each chunk of a body. `Handler` counts what ends them.
- The parser forgets the answers of a piece of bytes in which anything is wrong, so what follows a body
  that is longer than its Content-Length says would take a good answer with it. `Handler` feeds an answer's
  head by itself.
- The library's client makes a request, a response and a reader of each exchange, and wakes its caller twice.
  Here the connection itself says when an answer is there, once.
"""

from __future__ import annotations

import asyncio
import re
import select

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from app.outbound.answers import READ_BYTES

MAX_WIRE_BYTES = 2**20  # of one answer: its head, and its body with what frames it
MAX_HEADERS = 128
MAX_HEADER_BYTES = 16 * 1024  # of one line; receivers with large policies and cookies pass 8 KiB
_MOST_HEADS = 16  # of one answer, its interim ones (1xx) included
_MOST_CHUNKS = 8192
_PIECE_BYTES = 16 * 1024
_head_end = re.compile(rb"\n\r?\n")


class Flooded(aiohttp.ClientPayloadError):
    """An answer is larger around its body than any that means well; the text says by what."""


class Handler(ResponseHandler):
    """One connection. `ask` begins an exchange; then `message` and `body` are what came of its answer.

    What comes while nothing was asked is nobody's answer: the connection is given up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._asked: asyncio.Future[None] | None = None
        self._answer: StreamReader | None = None
        self._readable: select.poll | None = None
        self.message: RawResponseMessage | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if (socket := transport.get_extra_info("socket")) is not None:
            self._readable = select.poll()
            self._readable.register(socket.fileno(), select.POLLIN)

    def is_usable(self) -> bool:
        """Whether a kept connection may be asked: nothing has come on it, no end either, read or not."""
        return not self.should_close and not (self._readable is not None and self._readable.poll(0))

    def ask(self, written: bytes, *, is_head: bool = False) -> asyncio.Future[None]:
        """Write a request; done when its answer is there, whole or `READ_BYTES` of its body.

        Fails with what the library calls it when the answer does not come or breaks off.
        """
        self._left = MAX_WIRE_BYTES
        self._heads_left = _MOST_HEADS
        self._line_ends_left = 2 * _MOST_CHUNKS
        self._is_chunked = False
        self.message = self._answer = None
        self._asked = self._loop.create_future()
        if self._exception is not None or self.transport is None or self.transport.is_closing():
            self._fail(self._exception or aiohttp.ServerDisconnectedError())
            return self._asked
        self.set_response_params(
            skip_payload=is_head,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=MAX_WIRE_BYTES,  # so that reading never pauses: nobody reads on the way
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        self.transport.write(written)
        return self._asked

    def body(self) -> bytes:
        """What has come of the answer's body."""
        answer = self._answer
        return b"" if answer is None or not answer.total_bytes else b"".join(answer._buffer)

    def is_whole(self) -> bool:
        """Whether the answer's body has come to its end."""
        return self._answer is not None and self._answer.is_eof()

    def data_received(self, data: bytes) -> None:
        asked = self._asked
        if asked is None or asked.done():
            self._give_up(HttpProcessingError(message="it came before it was asked for"))
            return
        self._left -= len(data)
        if self._left < 0:
            self._give_up(Flooded(f"the answer has over {MAX_WIRE_BYTES // 2**20} MiB around its body"))
        while data and self._exception is None:
            data = data[self._feed(data) :]
        self._look()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._look()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """The library resumes after each answer what was never paused."""

    def _look(self) -> None:
        """Say that the answer is there, or what became of it instead."""
        asked, answer = self._asked, self._answer
        if asked is None or asked.done():
            return
        if answer is not None and (answer.is_eof() or answer.total_bytes >= READ_BYTES):
            asked.set_result(None)
        elif self._exception is not None:
            self._fail(self._exception)

    def _fail(self, error: BaseException) -> None:
        assert self._asked is not None
        self._asked.set_exception(error if isinstance(error, Exception) else aiohttp.ClientError())

    def _feed(self, data: bytes) -> int:
        """Hand one head over, or what there is of a body; the number of bytes that it was."""
        if self._is_chunked:
            return self._feed_chunks(data[:_PIECE_BYTES])
        if self._answer is not None:
            super().data_received(data)
            return len(data)
        if self._heads_left == 0:
            self._give_up(Flooded(f"over {_MOST_HEADS} heads came before the answer's"))
            return len(data)
        found = _head_end.search(data)
        end = found.end() if found else len(data)
        self._heads_left -= found is not None
        super().data_received(data[:end])
        return end

    def _feed_chunks(self, piece: bytes) -> int:
        """Each chunk costs the same, be it of one byte: a body of such would hold up all others."""
        self._line_ends_left -= piece.count(b"\n")
        if self._line_ends_left < 0 and self._answer is not None and self._answer.total_bytes < READ_BYTES:
            self._give_up(Flooded(f"the answer's body comes in over {_MOST_CHUNKS} chunks"))
        else:
            super().data_received(piece)
        return len(piece)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """The parser has a head: interim ones are passed over, a second answer is nobody's."""
        message, payload = data
        if 100 <= message.code < 200 and message.code != 101:
            return
        if self.message is not None:
            self.force_close()
            return
        self.message, self._answer = message, payload
        self._is_chunked = bool(message.chunked)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        if self._exception is not None:
            return  # of two faults the first is the one
        super().set_exception(exc, *cause)
        if cause and isinstance(exc, HttpProcessingError):
            exc.__cause__ = cause[0]

    def _give_up(self, why: Exception) -> None:
        self.set_exception(why)
        if self.transport is not None:
            self.transport.close()


def new_handler(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    """A handler, for the library's connector."""
    return Handler(loop)
