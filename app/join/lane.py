"""A partition's leads on their way into the table: read at once, stored in order, finished last.

Several batches are on their way at once. What was folded is in memory until it is stored, so the next event
of a lead is folded upon it. A batch is stored when what it emitted is acknowledged and all batches before it
are stored or go with it, and its events are finished when it is stored: effects before acks, as ever.
Without Kafka: what emits and what writes is given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.stream.ticks import tick

Lead = TypeVar("Lead")
Event = TypeVar("Event")

_UNKNOWN: Any = object()


@dataclass(frozen=True, slots=True)
class _Batch(Generic[Lead, Event]):
    """Leads as a batch left them (None: forgotten), its events, and what is to be acknowledged first."""

    leads: Mapping[bytes, Lead | None]
    events: Sequence[Event]
    emitted: asyncio.Future[Any] | None


class Lane(Generic[Lead, Event]):
    """One partition from its assignment to its revoke, or until the consumer goes back.

    `is_held` says whether it is still so; when it is not, nothing more is written. `write` writes leads
    (None: forget one) and returns when they are stored. `finish` is told each event of which all is done.
    `start` starts a task, which fails with what an emission or a write failed with: that is for good.
    """

    def __init__(
        self,
        stored: Callable[[bytes], Lead | None],
        write: Callable[[Mapping[bytes, Lead | None]], Awaitable[None]],
        finish: Callable[[Event], None],
        is_held: Callable[[], bool],
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._stored = stored
        self._write = write
        self._finish = finish
        self.is_held = is_held
        self._start = start
        self._folded: dict[bytes, Lead | None] = {}  # not stored yet
        self._batches: deque[_Batch[Lead, Event]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_writing = False

    def lead(self, key: bytes) -> Lead | None:
        """The lead as the latest event left it."""
        found = self._folded.get(key, _UNKNOWN)
        return self._stored(key) if found is _UNKNOWN else found

    def fold(self, key: bytes, lead: Lead | None) -> None:
        """What an event made of a lead (None: forgotten), read by the next; its batch's `store` follows."""
        self._folded[key] = lead

    def store(
        self,
        leads: Mapping[bytes, Lead | None],
        events: Sequence[Event],
        emitted: asyncio.Future[Any] | None,
    ) -> None:
        """Store what a batch folded once `emitted` is done, then finish its events."""
        self._batches.append(_Batch(leads, events, emitted))
        if self._task is None or self._task.done():
            self._task = self._start(self._store_all())

    def forget(self, keys: Iterable[bytes]) -> int:
        """Forget leads, unless an event of one is on its way; says how many."""
        leads: dict[bytes, Lead | None] = {key: None for key in keys if key not in self._folded}
        if leads:
            self._folded.update(leads)
            self.store(leads, (), None)
        return len(leads)

    async def _store_all(self) -> None:
        while self._batches and self.is_held():
            emitted = self._batches[0].emitted
            if emitted is not None:
                await emitted
            await tick()  # nobody waits for it; a write costs the same for one and many
            if self.is_held():
                await self._store_some(self._emitted())

    def _emitted(self) -> list[_Batch[Lead, Event]]:
        """The batches up to the first of which something is not acknowledged yet."""
        ready = []
        while self._batches and _is_done(self._batches[0].emitted):
            ready.append(self._batches.popleft())
        return ready

    async def _store_some(self, batches: Sequence[_Batch[Lead, Event]]) -> None:
        leads: dict[bytes, Lead | None] = {}
        for batch in batches:
            leads.update(batch.leads)
        if leads:
            self._is_writing = True
            try:
                await self._write(leads)
            finally:
                self._is_writing = False
        for key, lead in leads.items():
            if self._folded.get(key, _UNKNOWN) is lead:
                del self._folded[key]
        for batch in batches:
            for event in batch.events:
                self._finish(event)

    async def leave(self) -> None:
        """End, after a write that is under way: it would be the next owner's later."""
        if self._task is not None:
            if not self._is_writing:
                self._task.cancel()
            await asyncio.wait((self._task,))


def _is_done(emitted: asyncio.Future[Any] | None) -> bool:
    if emitted is None:
        return True
    return emitted.done() and not emitted.cancelled() and emitted.exception() is None
