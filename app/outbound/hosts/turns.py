"""Whose turn it is among the hosts for which something waits, each looked at only when there is a reason to.

A host is looked at when something happened to it (`wake`), at a time of its own (`sleep`), or, where nothing
but room in total was missing (`crowd`), once there is room for its like. Of all these the one that has waited
for its turn longest is first; a start is a turn. So a decision costs the same however many hosts wait.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Generic

from app.outbound.hosts.host import Host, Like
from app.outbound.hosts.job import T

_Line = list[tuple[int, Host[T]]]
"""Hosts in the order of their turns, each number once."""


class Turns(Generic[T]):
    """The hosts for which something waits. Where each of them stands is kept in the host itself."""

    def __init__(self) -> None:
        self._hosts: dict[Host[T], None] = {}
        self._numbers = count()
        self._awake: _Line[T] = []
        self._crowds: dict[Like, _Line[T]] = {"idle": [], "busy": [], "doubtful": []}
        self._asleep: list[tuple[int, int, Host[T]]] = []  # by time, in a heap; those that count no more too

    def __iter__(self) -> Iterator[Host[T]]:
        return iter(self._hosts)

    @property
    def next_ms(self) -> int | None:
        """When the next host is to be looked at for its time alone."""
        while self._asleep and self._asleep[0][2].wakes_ms != self._asleep[0][0]:
            heappop(self._asleep)
        return self._asleep[0][0] if self._asleep else None

    def join(self, host: Host[T]) -> None:
        """Let a host wait for its turn, behind all that do."""
        self.leave(host)
        self._hosts[host] = None
        host.turn = next(self._numbers)
        self.wake(host)

    def leave(self, host: Host[T]) -> None:
        """Nothing waits for a host any more."""
        self._take_out(host)
        self._hosts.pop(host, None)
        host.wakes_ms = None

    def wake(self, host: Host[T]) -> None:
        """Look at a host soon."""
        if host.line is not self._awake:
            self._put(host, self._awake)

    def crowd(self, host: Host[T], like: Like) -> None:
        """Look at a host once there is room in total for its like."""
        self._put(host, self._crowds[like])

    def is_crowded(self, host: Host[T]) -> bool:
        """Whether nothing but room in total is missing for a host."""
        return host.line is not None and host.line is not self._awake

    def sleep(self, host: Host[T], until_ms: int) -> None:
        """Look at a host at this time, or before."""
        if host.wakes_ms is None or until_ms < host.wakes_ms:
            host.wakes_ms = until_ms
            heappush(self._asleep, (until_ms, next(self._numbers), host))

    def next(self, now_ms: int, has_room: Callable[[Like], bool]) -> Host[T] | None:
        """The host that is to be looked at now: afterwards it stands nowhere."""
        while (wakes_ms := self.next_ms) is not None and wakes_ms <= now_ms:
            _, _, host = heappop(self._asleep)
            host.wakes_ms = None
            self.wake(host)
        line = self._awake
        for like, crowd in self._crowds.items():
            if crowd and has_room(like) and (not line or crowd[0] < line[0]):
                line = crowd
        if not line:
            return None
        host = line[0][1]
        self._take_out(host)
        host.look_ms = None
        return host

    def _put(self, host: Host[T], line: _Line[T]) -> None:
        self._take_out(host)
        insort(line, (host.turn, host))
        host.line = line

    def _take_out(self, host: Host[T]) -> None:
        if host.line is not None:
            del host.line[bisect_left(host.line, (host.turn,))]
            host.line = None
