"""Values on their way to one topic: packed into envelopes, answered when the broker has them.

What lingers adapts itself. While envelopes stay small a partition's next one goes as soon as none of its
earlier ones is unacknowledged, so what is added in one turn of the loop travels together. Once they are
larger they fill up, for a moment at most. A patient outbox sends at ticks, and what is full. Order within a
partition is kept (idempotent producer).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from app.messages.envelope import MAX_BYTES, MAX_VALUES, pack
from app.stream.ticks import next_tick

if TYPE_CHECKING:
    from app.stream.kafka import PatientProducer

_SMALL = 4.0  # values of an envelope, lately
_WEIGHT = 0.1  # of the latest one in that average
_FILL_S = 0.015


class _Ticket:
    """What one caller waits for: so many values, written or not."""

    __slots__ = ("done", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, error: BaseException | None) -> None:
        """One value is written, or is not."""
        self.left -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif not self.left:
            self.done.set_result(None)


_Value = tuple[bytes, bytes, _Ticket]


@dataclass(slots=True)
class _Lane:
    """One partition: what waits, how many envelopes are unacknowledged, and when it is looked at next."""

    partition: int
    waiting: deque[_Value] = field(default_factory=deque)
    unacked: int = 0
    average: float = 1.0
    due: asyncio.Handle | None = None
    sending: asyncio.Task[None] | None = None  # an envelope for which the producer has no room yet


class Outbox:
    """The sender of one internal topic, by explicit partition; `is_patient` where nobody waits for it."""

    def __init__(self, producer: PatientProducer, topic: str, *, is_patient: bool = False) -> None:
        self._producer = producer
        self._topic = topic
        self._is_patient = is_patient
        self._lanes: dict[int, _Lane] = {}

    def add(self, partition: int, key: bytes, value: bytes) -> asyncio.Future[None]:
        """Queue one encoded JSON value.

        Returns a future that is done when the broker has acknowledged it and fails with aiokafka's
        `KafkaError` when it could not be written: nothing may be acked then.
        """
        return self.add_all(partition, [(key, value)])

    def add_all(self, partition: int, values: list[tuple[bytes, bytes]]) -> asyncio.Future[None]:
        """Queue encoded JSON values, each with its key. As `add`, with one future for all."""
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = _Lane(partition)
        ticket = _Ticket(len(values))
        lane.waiting.extend((key, value, ticket) for key, value in values)
        self._look(lane)
        return ticket.done

    def _look(self, lane: _Lane) -> None:
        """Send what is full, and see when the rest is to go."""
        if lane.sending is not None:
            return
        self._send(lane, MAX_VALUES)
        if not lane.waiting or lane.due is not None:
            return
        loop = asyncio.get_running_loop()
        if self._is_patient:
            lane.due = loop.call_at(next_tick(loop.time()), self._send_rest, lane)
        elif lane.average >= _SMALL:
            lane.due = loop.call_later(_FILL_S, self._send_rest, lane)
        elif not lane.unacked:
            lane.due = loop.call_soon(self._send_rest, lane)

    def _send_rest(self, lane: _Lane) -> None:
        lane.due = None
        self._send(lane, 1)

    def _send(self, lane: _Lane, least: int) -> None:
        while len(lane.waiting) >= least and lane.sending is None:
            held = _cut(lane.waiting)
            lane.average += _WEIGHT * (len(held) - lane.average)
            [(envelope, _)] = pack(value for _, value, _ in held)
            try:
                ack = self._producer.post(self._topic, lane.partition, held[0][0], envelope)
            except Exception as error:  # the callers' futures carry it: nothing is acked
                _settle(held, error)
                continue
            if ack is None:
                lane.sending = asyncio.create_task(self._send_slowly(lane, envelope, held))
            else:
                self._sent(lane, held, ack)

    async def _send_slowly(self, lane: _Lane, envelope: bytes, held: list[_Value]) -> None:
        try:
            ack = await self._producer.send(self._topic, envelope, key=held[0][0], partition=lane.partition)
        except Exception as error:  # likewise
            _settle(held, error)
        else:
            self._sent(lane, held, ack)
        finally:
            lane.sending = None
            self._look(lane)

    def _sent(self, lane: _Lane, held: list[_Value], ack: asyncio.Future[Any]) -> None:
        lane.unacked += 1
        ack.add_done_callback(partial(self._acked, lane, held))

    def _acked(self, lane: _Lane, held: list[_Value], ack: asyncio.Future[Any]) -> None:
        lane.unacked -= 1
        _settle(held, ack.exception())
        self._look(lane)


def _cut(waiting: deque[_Value]) -> list[_Value]:
    """The values that the next envelope holds: a value over its byte limit is alone."""
    held = [waiting.popleft()]
    size = len(held[0][1]) + 2
    while waiting and len(held) < MAX_VALUES and size + len(waiting[0][1]) + 1 <= MAX_BYTES:
        size += len(waiting[0][1]) + 1
        held.append(waiting.popleft())
    return held


def _settle(held: Iterable[_Value], error: BaseException | None) -> None:
    for _, _, ticket in held:
        ticket.settle(error)
