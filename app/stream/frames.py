"""What arrives on a connection to Kafka becomes answers at once; `install` puts it into aiokafka.

aiokafka reads through a stream: what arrives is copied into its buffer, wakes a task, which takes four bytes,
then the rest. And it guards each answer by a context of its own for the time-out. Here the protocol cuts the
frames, and a plain timer guards. The task stays: it waits for the connection's end.

Upstream it would take: a protocol that knows its connection.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol

_SIZE = 4  # bytes before each frame, which say how long it is


class Frames(AIOKafkaProtocol):
    """Cuts what arrives into frames."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection: Any = None  # a weak reference: a connection that is forgotten is closed
        self._parts: list[bytes] = []
        self._missing = 0  # bytes until it is worth looking again

    def data_received(self, data: bytes) -> None:
        """Hand each whole frame on, keep the rest."""
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._parts)
        at, end = 0, _end(data, 0)
        while end <= len(data):
            connection = self.connection()
            if connection is None or not connection.connected():
                return
            connection._handle_frame(data[at + _SIZE : end])
            at, end = end, _end(data, end)
        self._parts = [data[at:]] if at < len(data) else []
        self._missing = end - len(data)


def _end(data: bytes, at: int) -> int:
    """Where the frame that begins at `at` ends, or where its size does while that has not come."""
    head = data[at : at + _SIZE]
    return at + _SIZE + (int.from_bytes(head, "big") if len(head) == _SIZE else 0)


async def wait_for(answer: asyncio.Future[Any], timeout_s: float) -> Any:
    """The answer. Raises `TimeoutError`."""
    timer = asyncio.get_running_loop().call_later(timeout_s, _expire, answer)
    try:
        return await answer
    finally:
        timer.cancel()


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


class _Connection(AIOKafkaConnection):
    """aiokafka's, known to its protocol."""

    def _create_reader_task(self) -> Any:
        self._protocol.connection = weakref.ref(self)
        return super()._create_reader_task()


def install() -> None:
    """Have all of aiokafka's connections work so."""
    aiokafka.conn.AIOKafkaProtocol = Frames
    aiokafka.conn.AIOKafkaConnection = _Connection
    aiokafka.conn.wait_for = wait_for
