"""`on_newer: drop`: which status of a lead was delivered last to a postback, so that an older one is dropped.

A small table by lead and postback, written only for postbacks that ask for it, before the row and the ack
of the delivery; it forgets after seven days, longer than the default deadline of a request.
"""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaProducer

from app.join.expire import Sweep
from app.leads.malformed import STATUSES
from app.messages.request import Request
from app.stream.table import PartitionTable
from app.topics import DAY_MS

KEPT_MS = 7 * DAY_MS

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, int])  # lead_seq, when it was delivered (Unix ms)


class Newest:
    """The newest delivered status by lead, flow and postback. Only partitions owned now may be touched."""

    def __init__(self, table: PartitionTable, producer: AIOKafkaProducer) -> None:
        self._table = table
        self._producer = producer
        self._sweep = Sweep(table, KEPT_MS, _touched_at)
        self._writing = asyncio.Lock()

    def superseded_by(self, partition: int, request: Request) -> int | None:
        """The `lead_seq` of a newer status that was delivered; None while `request` may be sent."""
        if request.delivery.on_newer != "drop":
            return None
        newest = self._newest(partition, _key(request))
        return newest if newest > request.origin.lead_seq else None

    async def delivered(self, partition: int, request: Request, now_ms: int) -> None:
        """Remember a delivered status. Raises `KafkaError` when the changelog cannot be written."""
        origin = request.origin
        if request.delivery.on_newer != "drop" or origin.event not in STATUSES:
            return
        async with self._writing:
            key = _key(request)
            if origin.lead_seq > self._newest(partition, key):
                await self._write(partition, {key: _encoder.encode((origin.lead_seq, now_ms))})
            self._sweep.saw(partition, now_ms)
            for expired, keys in self._sweep.expired(now_ms):
                await self._write(expired, dict.fromkeys(keys))

    def _newest(self, partition: int, key: bytes) -> int:
        if partition not in self._table.assigned():
            return -1
        stored = self._table.get(partition, key)
        return -1 if stored is None else _decoder.decode(stored)[0]

    async def _write(self, partition: int, entries: dict[bytes, bytes | None]) -> None:
        """The changelog with its ack, then the table; nothing of a partition that was given up."""
        if partition not in self._table.assigned():
            return
        acks = [
            await self._producer.send(self._table.changelog, value, key=key, partition=partition)
            for key, value in entries.items()
        ]
        offset = max(ack.offset for ack in await asyncio.gather(*acks))
        if partition in self._table.assigned():
            self._table.put(partition, entries, offset)


def _key(request: Request) -> bytes:
    origin = request.origin
    return msgspec.json.encode((origin.lead_id, origin.flow_id, origin.postback_id))


def _touched_at(stored: bytes) -> int:
    return _decoder.decode(stored)[1]
