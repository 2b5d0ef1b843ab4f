"""Forget entries that nothing touched for their time to live: a slow round over a table.

An entry expires by the timestamps of records, as the fold has a lead's, so the sweep is never ahead of the
newest record that its partition has seen; a partition that sees none keeps its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

MOST_PER_STEP = 100  # keys looked at in one partition per step, once a second: all wait meanwhile


class Table(Protocol):
    """What the sweep needs of a table."""

    def assigned(self) -> set[int]:
        """The partitions owned now."""
        ...

    def items(self, partition: int, start: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """Entries from a key on, in order."""
        ...


class Sweep:
    """Goes round each owned partition, a step at a time.

    `touched_at` tells of a stored value when it was last touched (Unix ms); None keeps the entry.
    """

    def __init__(self, table: Table, ttl_ms: int, touched_at: Callable[[bytes], int | None]) -> None:
        self._table = table
        self._touched_at = touched_at
        self._ttl_ms = ttl_ms
        self._next: dict[int, bytes] = {}
        self._newest_ms: dict[int, int] = {}
        self._stepped_at = 0

    def saw(self, partition: int, timestamp_ms: int) -> None:
        """A record of this Kafka timestamp was folded."""
        self._newest_ms[partition] = max(timestamp_ms, self._newest_ms.get(partition, 0))

    def expired(self, now_ms: int) -> Iterator[tuple[int, list[bytes]]]:
        """The keys found expired in this step, by partition; none within a second of the last step."""
        if now_ms - self._stepped_at < 1000:
            return
        self._stepped_at = now_ms
        for partition in self._table.assigned() & self._newest_ms.keys():
            entries = self._table.items(partition, self._next.get(partition, b""), MOST_PER_STEP)
            whole = len(entries) < MOST_PER_STEP
            self._next[partition] = b"" if whole else entries[-1][0] + b"\0"
            keys = [
                key
                for key, value in entries
                if self._is_expired(value, min(now_ms, self._newest_ms[partition]))
            ]
            if keys:
                yield partition, keys

    def _is_expired(self, value: bytes, now_ms: int) -> bool:
        touched_at = self._touched_at(value)
        return touched_at is not None and now_ms - touched_at > self._ttl_ms
