"""The listener in front of the embedded broker: what clients ask goes through `exchange`.

A connection's requests are answered one after the other, as Kafka does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from struct import pack, unpack

from app.embedded.child import HOST
from app.embedded.exchange import Exchange, exchange_of
from app.kit.logs import logger

_MOST_BYTES = 100 * 1024 * 1024
_BUFFER_BYTES = 1024 * 1024
_OVER = (asyncio.IncompleteReadError, ConnectionError)


@contextlib.asynccontextmanager
async def relaying(port: int, broker_port: int) -> AsyncIterator[None]:
    """Listen on `port` and pass on to the broker. Raises `OSError` when the port is taken."""
    relay = _Relay(broker_port)
    server = await asyncio.start_server(relay.serve, HOST, port, limit=_BUFFER_BYTES)
    try:
        yield
    finally:
        server.close()
        relay.close()


class _Relay:
    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._writing = asyncio.Lock()
        self._serving: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """End all connections."""
        for task in self._serving:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, with one of its own to the broker."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with contextlib.closing(writer):
                await self._pass_on(reader, writer)
        except (asyncio.CancelledError, *_OVER):
            pass  # a client or the broker has gone, or we stop
        except (ValueError, IndexError, struct.error) as error:
            logger().warning("a client of the embedded broker is not understood", reason=str(error))
        finally:
            self._serving.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker = await asyncio.open_connection(HOST, self._broker_port, limit=_BUFFER_BYTES)
        with contextlib.closing(broker[1]):
            while True:
                exchange = exchange_of(await _read(reader))
                async with self._writing if exchange.writes else contextlib.nullcontext():
                    answers = await _ask(exchange, *broker)
                if answers:
                    _write(writer, exchange.to_answer(answers))
                    await writer.drain()


async def _ask(exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[bytes]:
    for request in exchange.requests:
        _write(writer, request)
    await writer.drain()
    return [await _read(reader) for _ in range(exchange.answers)]


async def _read(reader: asyncio.StreamReader) -> bytes:
    """A frame without its length. Raises `ValueError` for a length that is none."""
    (length,) = unpack(">i", await reader.readexactly(4))
    if not 0 < length <= _MOST_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    return await reader.readexactly(length)


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(pack(">i", len(frame)) + frame)
