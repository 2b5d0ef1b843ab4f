"""Batches for a writer as LOG makes them, and rows by the names of their columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from app.log.batch import Batch, Batcher
from app.log.columns import columns_of
from app.log.rows import Found, Record, Rows
from app.log.tables import POSTBACK_LOG, Table
from app.messages.record import Address, LogRecord

LOG_TOPIC = "p.postback-log"


def log_batch(placed: Iterable[tuple[Address, LogRecord]]) -> Batch:
    """Log records of one partition, each where it is said to lie."""
    pairs = list(placed)
    addresses = [address for address, _ in pairs]
    rows = Rows(
        addresses[0].partition if addresses else 0,
        [record for _, record in pairs],
        [address.offset for address in addresses],
        [address.index for address in addresses],
    )
    return Batch(POSTBACK_LOG, LOG_TOPIC, rows, (), (), ())


def batch_of(records: dict[int, LogRecord], partition: int = 0) -> Batch:
    """Log records by the offset of the Kafka record that holds each alone."""
    return log_batch((Address(partition, offset), record) for offset, record in records.items())


def read_batch(table: Table, topic: str, records: Iterable[Record], read: Any) -> Batch:
    """Kafka records of one partition as one batch; `read` is what finds values in them."""
    batcher = Batcher()
    for record in records:
        assert batcher.add(table, topic, record, read(record), None, 0.0) == []
    (batch,) = batcher.flush()
    return batch


def envelope(*records: LogRecord | bytes) -> bytes:
    """An envelope of records, or of bytes as they are."""
    return b"[" + b",".join(r if isinstance(r, bytes) else msgspec.json.encode(r) for r in records) + b"]"


def rows_of(table: Table, record: Record, found: Found) -> list[dict[str, Any]]:
    """What a record holds, row by row, by the names of the columns."""
    rows = Rows(
        record.partition, list(found.values), [record.offset] * len(found.values), list(found.indexes)
    )
    columns = columns_of(table, rows)
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
