"""From a Faust agent to batches: what arrives, in order, with a window per partition and the ledger's acks.

An agent of ours only feeds its intake. The role takes batches, works, and finishes value by value; what is
finished out of order waits in the ledger. A partition whose window is full is not fetched any more; the
others go on. At a revoke everything is forgotten: what was not finished is read again by the next owner.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.kit.logs import logger
from app.kit.metrics import ABANDONED
from app.stream.faust_app import RoleApp
from app.stream.ledger import Ledger

_MOST_QUEUED_BYTES = 4 * 1024 * 1024  # of one partition: what waits behind them may as well wait in Kafka


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
        self._newest: dict[Any, int] = {}
        self._full: set[Any] = set()
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()

    async def feed(self, stream: Any) -> None:
        """The agent's whole body."""
        async for event in stream.noack().events():
            message = event.message
            if message.generation_id == self._app.consumer_generation_id and not self._app.leaving:
                self._put(message)

    def _put(self, message: Any) -> None:
        tp = message.tp
        if message.offset <= self._newest.get(tp, -1):
            self._rewind(tp)
        self._newest[tp] = message.offset
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

    def _rewind(self, tp: Any) -> None:
        """Faust went back to the committed offset without a revoke: begin the partition again.

        What is in flight of it goes on and is not acked; it is seen a second time as a repeat.
        """
        self._queue = deque(taken for taken in self._queue if taken.tp != tp)
        self._queued.pop(tp, None)
        self._ledgers.pop(tp, None)
        if tp in self._full:
            self._full.discard(tp)
            self._app.consumer.on_buffer_drop(tp)

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
        if self.holds(taken):
            self._check_window(taken.tp)

    def finish(self, taken: Taken) -> None:
        """One value of a record is done, with all its effects acknowledged."""
        committable = taken.ledger.finish(taken.offset)
        self._app.finished[taken.tp] += 1
        if not self.holds(taken):
            return  # given up since: it is read again
        if committable is not None:
            self._app.consumer.release(taken.tp, committable)
            self._check_window(taken.tp)
        if not self.open_values():
            self._emptied.set()

    def _check_window(self, tp: Any) -> None:
        ledger, window, queued = self._ledgers[tp], self._window, self._queued.get(tp, 0)
        filled = max(
            (ledger.bytes + queued) / window.bytes,
            ledger.values / window.values,
            queued / _MOST_QUEUED_BYTES,
        )
        if filled >= 1:
            self._full.add(tp)
            # Again each time: Faust's own queue lifts it when it empties.
            self._app.consumer.on_buffer_full(tp)
        elif tp in self._full and filled < 0.5:
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

    async def hand_over(self, grace_s: float) -> None:
        """Give all partitions up after what was begun is finished, or after `grace_s`."""
        self.drop_queue()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self.open_values():
                    self._emptied.clear()
                    await self._emptied.wait()
        if unfinished := self.open_values():
            ABANDONED.inc(unfinished)
            logger().warning(
                "given up unfinished: it is read again", values=unfinished, app=self._app.conf.id
            )
        self.forget()

    def forget(self) -> None:
        """Give all partitions up at once."""
        self.drop_queue()
        self._ledgers.clear()
        self._newest.clear()
        self._full.clear()
