"""How many sends are in flight to hosts that may never answer.

A host becomes doubtful by time too, so all are counted anew now and then; between, what begins and ends is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

from app.outbound.hosts.host import Host
from app.outbound.hosts.job import T

FRESH_MS = 500


class Doubts(Generic[T]):
    """The count; `flying` are the hosts with something in flight, by name."""

    def __init__(self, flying: Mapping[str, Host[T]]) -> None:
        self._flying = flying
        self._doubtful: set[str] = set()
        self._count = 0
        self._counted_ms = -FRESH_MS

    def count(self, now_ms: int) -> int:
        """Sends in flight to doubtful hosts, as far as half a second ago they were so."""
        if not self._counted_ms <= now_ms < self._counted_ms + FRESH_MS:
            self._counted_ms = now_ms
            self._doubtful.clear()
            self._count = 0
            for host in self._flying.values():
                self._see(host, now_ms)
        return self._count

    def begins(self, host: Host[T], now_ms: int) -> None:
        """A send to a host is in flight now."""
        if host.name in self._doubtful:
            self._count += 1
        else:
            self._see(host, now_ms)

    def ends(self, host: Host[T], now_ms: int) -> None:
        """A send to a host is in flight no more, and the host has learnt from it."""
        if host.name in self._doubtful:
            self._doubtful.remove(host.name)
            self._count -= len(host.flying) + 1
        self._see(host, now_ms)

    def _see(self, host: Host[T], now_ms: int) -> None:
        if host.flying and host.is_doubtful(now_ms):
            self._doubtful.add(host.name)
            self._count += len(host.flying)
