"""When rows are flushed, and together with which: by count, bytes and age, each partition by itself. Pure.

A batch never changes once it is handed out: it is inserted again as it is until it is in, so its token means
the same rows every time. The token names topic, partition, first and last address, so that neither two
tables nor two partitions meet in one.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from app.log.rows import BadRecord, Found, Record, Rows, original_of
from app.log.tables import Table

# What a row costs beside its value's bytes, so that a flood of tiny records is bounded too
_ROW_BYTES = 256


@dataclass(frozen=True)
class Limits:
    """A batch is flushed when it holds so many rows or bytes, or when its first record is so old.

    ClickHouse wants few and large inserts; a second keeps the log nearly live. `bytes` stays far below
    ClickHouse's 256 MiB block, so that a batch is one block and goes in whole or not at all.
    """

    rows: int = 20_000
    bytes: int = 8 * 1024 * 1024
    age_s: float = 1.0


@dataclass(frozen=True)
class Batch:
    """Rows of one partition in order, what between them was no row, and the records that both come from.

    `receipts` are whatever was given with the records, one for each, to be returned when the batch is in.
    """

    table: Table
    topic: str
    rows: Rows
    bad: tuple[BadRecord, ...]
    records: tuple[Record, ...]
    receipts: tuple[object, ...]

    @property
    def partition(self) -> int:
        """The partition that all of it comes from."""
        return self.rows.partition

    def refused(self, at: int, reason: str) -> BadRecord:
        """The row at a place as a value that is none."""
        address = self.rows.address(at)
        record = self.records[bisect_left(self.records, address.offset, key=_offset_of)]
        original = original_of(record, self.rows.values[at], address.index)
        return BadRecord(address, reason, original, record.key)


def _offset_of(record: Record) -> int:
    return record.offset


def token_of(topic: str, rows: Rows) -> str:
    """The deduplication token of rows of one partition: `topic:partition:first-last`; empty for no rows."""
    if not rows:
        return ""
    first, last = rows.address(0), rows.address(len(rows) - 1)
    return f"{topic}:{rows.partition}:{first.offset}.{first.index}-{last.offset}.{last.index}"


@dataclass
class _Open:
    """The batch of one partition that is being filled."""

    table: Table
    topic: str
    partition: int
    since_s: float
    values: list[Any] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    receipts: list[object] = field(default_factory=list)
    bytes: int = 0

    def add(self, record: Record, found: Found, receipt: object, bytes_: int) -> None:
        self.values += found.values
        self.offsets += [record.offset] * len(found.values)
        self.indexes += found.indexes
        self.bad += found.bad
        self.records.append(record)
        self.receipts.append(receipt)
        self.bytes += bytes_

    def closed(self) -> Batch:
        rows = Rows(self.partition, self.values, self.offsets, self.indexes)
        bad, records, receipts = tuple(self.bad), tuple(self.records), tuple(self.receipts)
        return Batch(self.table, self.topic, rows, bad, records, receipts)

    @property
    def count(self) -> int:
        return len(self.values) + len(self.bad)


class Batcher:
    """The open batches of all partitions; times are seconds of any steady clock."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: dict[tuple[str, int], _Open] = {}

    def add(
        self, table: Table, topic: str, record: Record, found: Found, receipt: object, now_s: float
    ) -> list[Batch]:
        """Add what one record held; returns the batches that are full by it, in order.

        A record is never cut. One that would take a batch over a limit begins the next, so only a record
        that is over a limit by itself makes a batch that is.
        """
        key = (topic, record.partition)
        bytes_ = len(record.value or b"") + _ROW_BYTES * len(found)
        full = []
        held = self._open.get(key)
        if held and held.receipts and self._is_over(held.count + len(found), held.bytes + bytes_):
            full.append(self._open.pop(key).closed())
        held = self._open.setdefault(key, _Open(table, topic, record.partition, now_s))
        held.add(record, found, receipt, bytes_)
        if held.count >= self._limits.rows or held.bytes >= self._limits.bytes:
            full.append(self._open.pop(key).closed())
        return full

    def _is_over(self, count: int, bytes_: int) -> bool:
        return count > self._limits.rows or bytes_ > self._limits.bytes

    def due(self, now_s: float) -> list[Batch]:
        """Take the batches whose first record has waited long enough."""
        old = [key for key, held in self._open.items() if now_s - held.since_s >= self._limits.age_s]
        return [self._open.pop(key).closed() for key in old]

    def next_due_s(self) -> float | None:
        """When `due` has something, on the same clock; None while nothing is held."""
        return min((held.since_s + self._limits.age_s for held in self._open.values()), default=None)

    def flush(self) -> list[Batch]:
        """Take everything, at a stop."""
        taken = [held.closed() for held in self._open.values()]
        self._open.clear()
        return taken

    def forget(self, topic: str, partition: int) -> None:
        """Drop what is held of a partition that was given up: the next owner reads it again."""
        self._open.pop((topic, partition), None)
