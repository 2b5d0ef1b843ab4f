"""Who may be sent now: limits on sends in flight, in total and for each host.

A pure state machine: it holds what waits and says what may start; the caller starts it and reports back.
Within a host the order is first in, first out. Among hosts with room it goes round, so a host that is
slow or has a thousand requests waiting holds up nobody else. The clock is an argument of `take`: limits
over time (rates, circuits) need it and change no caller.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Host(Generic[T]):
    __slots__ = ("in_flight", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.in_flight = 0


class Hosts(Generic[T]):
    """In-flight limits over many hosts. A host is any text; it is forgotten when it has nothing to do."""

    def __init__(self, max_in_flight: int, max_per_host: int) -> None:
        self._max_in_flight = max_in_flight
        self._max_per_host = max_per_host
        self._hosts: dict[str, _Host[T]] = {}
        # Hosts that have something waiting and room for it, each once, in the order of their turns.
        self._turns: deque[str] = deque()
        self._listed: set[str] = set()
        self.in_flight = 0
        self.waiting = 0

    def offer(self, host: str, item: T) -> None:
        """Put `item` at the end of its host's queue."""
        self._hosts.setdefault(host, _Host()).waiting.append(item)
        self.waiting += 1
        self._list(host)

    def take(self, now_ms: int) -> T | None:
        """The next item that may start at `now_ms`, counted as in flight from now on; None if none may."""
        if self.in_flight >= self._max_in_flight or not self._turns:
            return None
        name = self._turns.popleft()
        self._listed.remove(name)
        host = self._hosts[name]
        item = host.waiting.popleft()
        host.in_flight += 1
        self.in_flight += 1
        self.waiting -= 1
        self._list(name)
        return item

    def done(self, host: str) -> None:
        """Say that one item of `host`, taken before, is not in flight any more."""
        entry = self._hosts[host]
        entry.in_flight -= 1
        self.in_flight -= 1
        if entry.waiting:
            self._list(host)
        elif not entry.in_flight:
            del self._hosts[host]

    def drop(self, condition: Callable[[T], bool]) -> list[T]:
        """Take out every waiting item that meets `condition` (its partition was given up, say)."""
        dropped: list[T] = []
        for name, host in list(self._hosts.items()):
            kept = deque(item for item in host.waiting if not condition(item))
            if len(kept) == len(host.waiting):
                continue
            dropped += [item for item in host.waiting if condition(item)]
            host.waiting = kept
            if not kept and name in self._listed:
                self._listed.remove(name)
                self._turns.remove(name)
            if not kept and not host.in_flight:
                del self._hosts[name]
        self.waiting -= len(dropped)
        return dropped

    def _list(self, name: str) -> None:
        host = self._hosts[name]
        if host.waiting and host.in_flight < self._max_per_host and name not in self._listed:
            self._turns.append(name)
            self._listed.add(name)
