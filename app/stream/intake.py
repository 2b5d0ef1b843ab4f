"""From a Faust agent to batches: what arrives, in order, with a window per partition and the ledger's acks.

An agent of ours only feeds its intake. The role takes batches, works, and finishes value by value; what is
finished out of order waits in the ledger. A partition whose window is full is not fetched any more; the
others go on. At a revoke everything is forgotten: what was not finished is read again by the next owner.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.stream.faust_app import RoleApp
from app.stream.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Window:
    """How much of one partition may be unfinished: values and bytes."""

    values: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Taken:
    """One Kafka record as it came; `timestamp_ms` is the record's."""

    tp: Any
    ledger: Ledger
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()

    @property
    def partition(self) -> int:
        """The number of its partition."""
        number: int = self.tp.partition
        return number

    @property
    def topic(self) -> str:
        """The name of its topic."""
        name: str = self.tp.topic
        return name

    @property
    def size_bytes(self) -> int:
        """What it counts in its window."""
        return len(self.value or b"") + len(self.key or b"") + 64


class Intake:
    """The records of one agent between Faust and the role."""

    def __init__(self, app: RoleApp, window: Window) -> None:
        self._app = app
        self._window = window
        self._queue: deque[Taken] = deque()
        self._queued: dict[Any, int] = {}
        self._ledgers: dict[Any, Ledger] = {}
        self._full: set[Any] = set()
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()

    async def feed(self, stream: Any) -> None:
        """The agent's whole body."""
        async for event in stream.noack().events():
            message = event.message
            if message.generation_id == self._app.consumer_generation_id:
                self._put(message)

    def _put(self, message: Any) -> None:
        tp = message.tp
        ledger = self._ledgers.setdefault(tp, Ledger())
        taken = Taken(
            tp,
            ledger,
            message.offset,
            round(message.timestamp * 1000),
            message.key,
            message.value,
            tuple(message.headers or ()),
        )
        self._queue.append(taken)
        self._queued[tp] = self._queued.get(tp, 0) + taken.size_bytes
        self._arrived.set()
        self._check_window(tp)

    async def take(self, most: int) -> list[Taken]:
        """Wait for a record; return up to `most`, in order. For each, `begin` and `finish` follow."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        batch = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        for taken in batch:
            self._queued[taken.tp] -= taken.size_bytes
        return batch

    def begin(self, taken: Taken, values: int) -> None:
        """A record of `values` values is being worked on."""
        taken.ledger.begin(taken.offset, values, taken.size_bytes)
        self._check_window(taken.tp)

    def finish(self, taken: Taken) -> None:
        """One value of a record is done, with all its effects acknowledged."""
        committable = taken.ledger.finish(taken.offset)
        if self._ledgers.get(taken.tp) is not taken.ledger:
            return  # given up since: the next owner reads it again
        if committable is not None:
            self._app.consumer.release(taken.tp, committable)
            self._check_window(taken.tp)
        if not self.open_values():
            self._emptied.set()

    def _check_window(self, tp: Any) -> None:
        ledger = self._ledgers[tp]
        held_bytes = ledger.bytes + self._queued.get(tp, 0)
        window = self._window
        if tp not in self._full:
            if held_bytes >= window.bytes or ledger.values >= window.values:
                self._full.add(tp)
                self._app.consumer.on_buffer_full(tp)
        elif held_bytes < window.bytes / 2 and ledger.values < window.values / 2:
            self._full.discard(tp)
            self._app.consumer.on_buffer_drop(tp)

    def holds(self, taken: Taken) -> bool:
        """Whether the record's partition has not been given up since it was taken."""
        return self._ledgers.get(taken.tp) is taken.ledger

    def open_values(self) -> int:
        """Values begun and not finished, over all partitions."""
        return sum(ledger.values for ledger in self._ledgers.values())

    def drop_queue(self) -> None:
        """Forget what was not begun: it is read again."""
        self._queue.clear()
        self._queued.clear()

    async def emptied(self, timeout_s: float) -> bool:
        """Wait until all that was begun is finished; False when the time is over first."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.open_values():
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            return False
        return True

    def forget(self) -> int:
        """Give all partitions up; returns how many values were abandoned unfinished."""
        abandoned = self.open_values()
        self.drop_queue()
        self._ledgers.clear()
        self._full.clear()
        return abandoned
