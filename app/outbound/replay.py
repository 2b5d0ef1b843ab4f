"""Send requests again: their original bytes by address, or rendered anew, oldest first, at a pace.

A replay carries the next number, has its attempts before it, and the request's own id. What it is made of
lies in `postback-requests` for as long as that topic is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import msgspec
from aiokafka import TopicPartition

from app.kit.clock import now_ms
from app.kit.pace import Pace
from app.kit.points import reach
from app.messages.envelope import UNREADABLE, unpack
from app.messages.record import Address
from app.messages.request import Request
from app.outbound.incoming import read_request
from app.settings import Settings
from app.stream.kafka import new_producer, new_reader
from app.stream.outbox import Outbox

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Original:
    """A request as it was first written; None, with the reason, when it cannot be had any more."""

    request: Request | None
    reason: str = ""


def numbered(request: Request, replay: int) -> Request:
    """The request as its replay number `replay`, no attempt made."""
    return msgspec.structs.replace(request, replay=replay, attempts=0, put_offs=0, released=-1, dry_run=False)


class Replays:
    """Reads originals and sends replays; `async with` it. All methods raise `KafkaError`."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.requests.name
        self._producer = new_producer(settings)
        self._reader = new_reader(settings)
        self._requests = Outbox(self._producer, self._topic)

    async def __aenter__(self) -> Replays:
        await self._producer.start()
        await self._reader.start()
        await asyncio.sleep(0)  # aiokafka cannot stop a reader whose own tasks have not begun
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.stop()
        await self._producer.stop()

    async def originals(self, addresses: Sequence[Address]) -> dict[Address, Original]:
        """What lies at these addresses of `postback-requests`."""
        found: dict[Address, Original] = {}
        by_record: dict[tuple[int, int], list[Address]] = {}
        for address in addresses:
            by_record.setdefault((address.partition, address.offset), []).append(address)
        for (partition, offset), wanted in sorted(by_record.items()):
            value = await self._record(TopicPartition(self._topic, partition), offset)
            for address in wanted:
                found[address] = _original(value, address.index)
        return found

    async def _record(self, tp: TopicPartition, offset: int) -> bytes | None:
        """The value of one record; None when the topic has it no more."""
        if self._reader.assignment() != {tp}:
            self._reader.assign([tp])
            self._begins = (await self._reader.beginning_offsets([tp]))[tp]
            self._ends = (await self._reader.end_offsets([tp]))[tp]
        if not self._begins <= offset < self._ends:
            return None
        if await self._reader.position(tp) != offset:
            self._reader.seek(tp, offset)
        record = await self._reader.getone(tp)
        return record.value if record.offset == offset else None

    async def send(
        self, replays: Sequence[tuple[int, Request]], pace: Pace, *, ignore_deadline: bool
    ) -> None:
        """Write requests, each to its partition; returns when the broker has them all."""
        acks = []
        for partition, request in replays:
            await pace.turn()
            value = msgspec.structs.replace(request, due_at=now_ms(), ignore_deadline=ignore_deadline)
            acks.append(
                self._requests.add(partition, request.origin.lead_id.encode(), _encoder.encode(value))
            )
        await asyncio.gather(*acks)
        reach("replay: sent")


def _original(value: bytes | None, index: int) -> Original:
    if value is None:
        return Original(None, "its bytes are not kept any more")
    try:
        return Original(read_request(unpack(value)[index]))
    except (*UNREADABLE, IndexError) as error:
        return Original(None, f"its bytes cannot be read: {error}")
