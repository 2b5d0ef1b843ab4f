"""When rows are flushed, and together with which: by count, bytes and age, each partition by itself. Pure.

A batch never changes once it is handed out: it is inserted again as it is until it is in, so its token means
the same rows every time. The token names topic, partition, first and last address, so that neither two
tables nor two partitions meet in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.log.rows import BadRecord, Row
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
    """Rows of one partition in order, and what between them was no row.

    `receipts` are whatever was given with the records, one for each, to be returned when the batch is in.
    """

    table: Table
    topic: str
    partition: int
    rows: tuple[Row, ...]
    bad: tuple[BadRecord, ...]
    receipts: tuple[object, ...]

    @property
    def token(self) -> str:
        """The insert's deduplication token."""
        return token_of(self.topic, self.rows)


def token_of(topic: str, rows: Sequence[Row]) -> str:
    """The deduplication token of rows of one partition: `topic:partition:first-last`; empty for no rows."""
    if not rows:
        return ""
    first, last = rows[0].address, rows[-1].address
    return f"{topic}:{first.partition}:{first.offset}.{first.index}-{last.offset}.{last.index}"


@dataclass
class _Open:
    """The batch of one partition that is being filled."""

    table: Table
    topic: str
    partition: int
    since_s: float
    rows: list[Row] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)
    receipts: list[object] = field(default_factory=list)
    bytes: int = 0

    def closed(self) -> Batch:
        return Batch(
            self.table, self.topic, self.partition, tuple(self.rows), tuple(self.bad), tuple(self.receipts)
        )

    @property
    def values(self) -> int:
        return len(self.rows) + len(self.bad)


class Batcher:
    """The open batches of all partitions; times are seconds of any steady clock."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: dict[tuple[str, int], _Open] = {}

    def add(
        self,
        table: Table,
        topic: str,
        partition: int,
        items: Sequence[Row | BadRecord],
        receipt: object,
        now_s: float,
    ) -> list[Batch]:
        """Add what one record held; returns the batches that are full by it, in order.

        A record is never cut. One that would take a batch over a limit begins the next, so only a record
        that is over a limit by itself makes a batch that is.
        """
        key = (topic, partition)
        bytes_ = sum(len(item.original or b"") + _ROW_BYTES for item in items)
        full = []
        held = self._open.get(key)
        if held and held.receipts and self._is_over(held.values + len(items), held.bytes + bytes_):
            full.append(self._open.pop(key).closed())
        held = self._open.setdefault(key, _Open(table, topic, partition, now_s))
        held.rows += [item for item in items if isinstance(item, Row)]
        held.bad += [item for item in items if isinstance(item, BadRecord)]
        held.receipts.append(receipt)
        held.bytes += bytes_
        if held.values >= self._limits.rows or held.bytes >= self._limits.bytes:
            full.append(self._open.pop(key).closed())
        return full

    def _is_over(self, values: int, bytes_: int) -> bool:
        return values > self._limits.rows or bytes_ > self._limits.bytes

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
