"""From the consumer to batches: what arrives, in order, with a window per partition and the ledger's acks.

An agent of ours only names its intake; what a poll brought comes straight from the consumer. The role takes
batches, works, and finishes value by value; what is finished out of order waits in the ledger. A partition
whose window is full is neither fetched nor taken from; the others go on. At a revoke everything is forgotten:
what was not finished is read again by the next owner.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

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


class Taken(msgspec.Struct, frozen=True):
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


@dataclass(slots=True)
class _Lane:
    """One partition: what waits to be taken, what was taken, and up to where it was read."""

    ledger: Ledger
    queue: deque[Taken] = field(default_factory=deque)
    queued_bytes: int = 0
    newest: int = -1
    is_full: bool = False


class Intake:
    """The records of one agent between the consumer and the role."""

    def __init__(self, app: RoleApp, window: Window) -> None:
        self._app = app
        self._window = window
        self._lanes: dict[Any, _Lane] = {}
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()

    async def feed(self, stream: Any) -> None:
        """The agent's whole body: subscribe, and have the records of its topics given to `receive`."""
        channel: AsyncIterable[Any] = stream.channel
        for topic in stream.channel.topics:
            self._app.receivers[topic] = self.receive
        aiter(channel)
        await asyncio.Event().wait()

    def receive(self, tp: Any, records: Sequence[Any]) -> None:
        """Take in what a poll brought of a partition (aiokafka's records, in order)."""
        if self._app.leaving:
            return
        lane = self._lanes.get(tp)
        if lane is None or records[0].offset <= lane.newest:
            lane = self._begin_anew(tp)
        lane.newest = records[-1].offset
        for record in records:
            taken = Taken(
                tp,
                lane.ledger,
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                record.headers,
            )
            lane.queue.append(taken)
            lane.queued_bytes += taken.size_bytes
        self._arrived.set()
        self._check_window(tp, lane)

    def _begin_anew(self, tp: Any) -> _Lane:
        """Begin a partition: its first records, or the consumer went back to the committed offset.

        What is in flight of it goes on and is not acked; it is seen a second time as a repeat.
        """
        before = self._lanes.pop(tp, None)
        if before is not None and before.is_full:
            self._app.consumer.on_buffer_drop(tp)
        lane = self._lanes[tp] = _Lane(Ledger())
        return lane

    async def take(self, most: int) -> list[Taken]:
        """Wait for a record; return up to `most`, in order. For each, `begin` and `finish` follow.

        Each partition with room in its window has its share.
        """
        while not (ready := [tp for tp, lane in self._lanes.items() if lane.queue and self._has_room(lane)]):
            self._arrived.clear()
            await self._arrived.wait()
        batch: list[Taken] = []
        for tp in ready[:most]:
            lane = self._lanes[tp] = self._lanes.pop(tp)  # the last in turn the next time
            for _ in range(min(max(1, most // len(ready)), len(lane.queue))):
                taken = lane.queue.popleft()
                lane.queued_bytes -= taken.size_bytes
                batch.append(taken)
        return batch

    def _has_room(self, lane: _Lane) -> bool:
        return lane.ledger.values < self._window.values and lane.ledger.bytes < self._window.bytes

    def begin(self, taken: Taken, values: int) -> None:
        """A record of `values` values is being worked on."""
        taken.ledger.begin(taken.offset, values, taken.size_bytes)
        if (lane := self._lane_of(taken)) is not None:
            self._check_window(taken.tp, lane)

    def finish(self, taken: Taken) -> None:
        """One value of a record is done, with all its effects acknowledged."""
        committable = taken.ledger.finish(taken.offset)
        self._app.finished[taken.tp] += 1
        lane = self._lane_of(taken)
        if lane is None:
            return  # given up since: it is read again
        if committable is not None:
            self._app.consumer.release(taken.tp, committable)
            self._check_window(taken.tp, lane)
        if not lane.ledger.values:
            self._emptied.set()

    def _check_window(self, tp: Any, lane: _Lane) -> None:
        ledger, window = lane.ledger, self._window
        begun = max(ledger.values / window.values, ledger.bytes / window.bytes)
        filled = max(
            begun,
            (ledger.bytes + lane.queued_bytes) / window.bytes,
            lane.queued_bytes / _MOST_QUEUED_BYTES,
        )
        if filled >= 1:
            lane.is_full = True
            self._app.consumer.on_buffer_full(tp)  # again each time: a recovery lifts it
        elif lane.is_full and filled < 0.5:
            lane.is_full = False
            self._app.consumer.on_buffer_drop(tp)
        if lane.queue and begun < 0.5:
            self._arrived.set()

    def _lane_of(self, taken: Taken) -> _Lane | None:
        lane = self._lanes.get(taken.tp)
        return lane if lane is not None and lane.ledger is taken.ledger else None

    def holds(self, taken: Taken) -> bool:
        """Whether the record's partition has not been given up since it was taken."""
        return self._lane_of(taken) is not None

    def open_values(self) -> int:
        """Values begun and not finished, over all partitions."""
        return sum(lane.ledger.values for lane in self._lanes.values())

    def drop_queue(self) -> None:
        """Forget what was not begun: it is read again."""
        for lane in self._lanes.values():
            lane.queue.clear()
            lane.queued_bytes = 0

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
        self._lanes.clear()
