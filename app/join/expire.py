"""Forget leads that nothing touched for their time to live: a slow round over the table.

A lead expires by the timestamps of records, as the fold has it, so the sweep is never ahead of the newest
record that its partition has seen; a partition that sees none keeps its leads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from app.leads.lead import decode_lead

MOST_PER_STEP = 2_000  # keys looked at in one partition per step; a step is taken once a second at most


class Table(Protocol):
    """What the sweep needs of the lead table."""

    def assigned(self) -> set[int]:
        """The partitions owned now."""
        ...

    def items(self, partition: int, start: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """Entries from a key on, in order."""
        ...


class Sweep:
    """Goes round each owned partition, a step at a time."""

    def __init__(self, table: Table, ttl_ms: int) -> None:
        self._table = table
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
        try:
            return now_ms - decode_lead(value).touched_at > self._ttl_ms
        except msgspec.DecodeError:
            return False  # the fold names it when its next event comes
