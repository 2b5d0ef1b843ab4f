"""Values on their way to one topic: packed into envelopes, answered when the broker has them.

Batching is natural: what is added in one turn of the loop travels together, and while a partition has an
envelope unacknowledged its next ones fill up. Order within a partition is kept (idempotent producer).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from app.messages.envelope import MAX_VALUES, pack

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_MAX_UNACKED = 2  # envelopes of one partition on their way before the next ones fill


class Outbox:
    """The sender of one internal topic, by explicit partition."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._waiting: dict[int, deque[tuple[bytes, bytes, asyncio.Future[None]]]] = {}
        self._unacked: dict[int, int] = {}
        self._senders: dict[int, asyncio.Task[None]] = {}
        self._acks: set[asyncio.Task[None]] = set()

    def add(self, partition: int, key: bytes, value: bytes) -> asyncio.Future[None]:
        """Queue one encoded JSON value.

        Returns a future that is done when the broker has acknowledged it and fails with aiokafka's
        `KafkaError` when it could not be written: nothing may be acked then.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(partition, deque()).append((key, value, done))
        self._kick(partition)
        return done

    def _kick(self, partition: int) -> None:
        if partition not in self._senders:
            task = asyncio.create_task(self._send(partition))
            self._senders[partition] = task
            task.add_done_callback(lambda _: self._sent(partition))

    def _sent(self, partition: int) -> None:
        del self._senders[partition]
        if self._waiting[partition] and not self._unacked.get(partition, 0):
            self._kick(partition)  # added after the sender had looked for the last time

    async def _send(self, partition: int) -> None:
        waiting = self._waiting[partition]
        while waiting and (self._unacked.get(partition, 0) < _MAX_UNACKED or len(waiting) >= MAX_VALUES):
            held = [waiting.popleft() for _ in range(min(len(waiting), MAX_VALUES))]
            at = 0
            for envelope, count in pack(value for _, value, _ in held):
                await self._send_one(partition, envelope, held[at : at + count])
                at += count

    async def _send_one(
        self, partition: int, envelope: bytes, held: list[tuple[bytes, bytes, asyncio.Future[None]]]
    ) -> None:
        try:
            ack = await self._producer.send(self._topic, envelope, key=held[0][0], partition=partition)
        except Exception as error:  # the caller's future carries it: nothing is acked
            _fail(held, error)
            return
        self._unacked[partition] = self._unacked.get(partition, 0) + 1
        task = asyncio.create_task(self._settle(partition, ack, held))
        self._acks.add(task)
        task.add_done_callback(self._acks.discard)

    async def _settle(
        self,
        partition: int,
        ack: asyncio.Future[object],
        held: list[tuple[bytes, bytes, asyncio.Future[None]]],
    ) -> None:
        try:
            await ack
        except Exception as error:  # likewise
            _fail(held, error)
        else:
            for _, _, done in held:
                if not done.done():
                    done.set_result(None)
        finally:
            self._unacked[partition] -= 1
            if self._waiting[partition]:
                self._kick(partition)


def _fail(held: list[tuple[bytes, bytes, asyncio.Future[None]]], error: Exception) -> None:
    for _, _, done in held:
        if not done.done():
            done.set_exception(error)
