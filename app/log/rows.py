"""What LOG reads, as values that become rows: log records, lead events, flow configs. Pure.

A Kafka record is decoded at once where it can be. Where one value of an envelope is none, each is decoded by
itself, so that it costs the others nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from app.messages.envelope import UNREADABLE, unpack
from app.messages.record import Address, LogRecord


class BadRecord(NamedTuple):
    """A value that is no row, kept as it came: it goes to the rejected topic with its reason.

    `is_whole`: it is the whole record and not one value of its envelope.
    """

    address: Address
    reason: str
    original: bytes | None
    key: bytes | None
    is_whole: bool = False


class Record(NamedTuple):
    """A Kafka record as it came. `timestamp_ms` is the record's."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a record holds: values that become rows, with their indexes in it, and what is none."""

    values: Sequence[Any]
    indexes: Sequence[int]
    bad: Sequence[BadRecord] = ()

    def behind(self, index: int) -> Found:
        """What lies behind an index."""
        kept = [at for at, found in enumerate(self.indexes) if found > index]
        return Found(
            [self.values[at] for at in kept],
            [self.indexes[at] for at in kept],
            [bad for bad in self.bad if bad.address.index > index],
        )

    def __len__(self) -> int:
        return len(self.values) + len(self.bad)


@dataclass(frozen=True)
class Rows:
    """Values of one partition in order, each with the offset of its record and its index there."""

    partition: int
    values: list[Any]
    offsets: list[int]
    indexes: list[int]

    def __len__(self) -> int:
        return len(self.values)

    def part(self, first: int, beyond: int) -> Rows:
        """Those from one place to before another."""
        cut = slice(first, beyond)
        return Rows(self.partition, self.values[cut], self.offsets[cut], self.indexes[cut])

    def address(self, at: int) -> Address:
        """Where the value at a place lies."""
        return Address(self.partition, self.offsets[at], self.indexes[at])


_escape = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_records = msgspec.json.Decoder(list[LogRecord])
_record = msgspec.json.Decoder(LogRecord)


def log_records(record: Record) -> Found:
    """The log records of a record of `postback-log`.

    An envelope that is no JSON array is one `BadRecord` at index 0.
    """
    try:
        values = _records.decode(record.value or b"")
    except UNREADABLE:
        return _one_by_one(record)
    return Found(values, range(len(values)))


def _one_by_one(record: Record) -> Found:
    try:
        parts = unpack(record.value or b"")
    except UNREADABLE as fault:
        whole = Address(record.partition, record.offset)
        bad = BadRecord(whole, f"no envelope: {fault}", record.value, record.key, is_whole=True)
        return Found((), (), [bad])
    decoded = [
        _log_record(bytes(part), Address(record.partition, record.offset, index), record.key)
        for index, part in enumerate(parts)
    ]
    good = [(index, found) for index, found in enumerate(decoded) if isinstance(found, LogRecord)]
    return Found(
        [value for _, value in good],
        [index for index, _ in good],
        [found for found in decoded if isinstance(found, BadRecord)],
    )


def _log_record(value: bytes, address: Address, key: bytes | None) -> LogRecord | BadRecord:
    try:
        return _record.decode(value)
    except UNREADABLE as fault:
        try:
            return _record.decode(_without_surrogates(value))
        except UNREADABLE:
            return BadRecord(address, f"no log record: {fault}", value, key)


def _without_surrogates(value: bytes) -> bytes:
    """JSON text with `\\ufffd` for each lone surrogate, which the decoder takes for an error."""
    return _escape.sub(lambda found: b"\\ufffd" if found[1] else found[0], value)


class LeadEvent(msgspec.Struct, gc=False):
    """A record of `lead-events` and the ids that its value names, as far as it can be read."""

    recorded_at: int
    value: bytes
    lead_id: str
    flow_id: str
    event_id: str


class _Ids(msgspec.Struct):
    lead_id: str = ""
    flow_id: str | None = None
    event_id: str = ""


_ids = msgspec.json.Decoder(_Ids)


def lead_event(record: Record) -> Found:
    """A record of `lead-events`, whatever its bytes are; where it names no lead that is the record's key."""
    value = record.value or b""
    try:
        ids = _ids.decode(value)
    except UNREADABLE:
        ids = _Ids()
    lead_id = ids.lead_id or _key_text(record.key)
    return Found((LeadEvent(record.timestamp_ms, value, lead_id, ids.flow_id or "", ids.event_id),), (0,))


class FlowVersion(msgspec.Struct, gc=False):
    """A record of `flow-configs`; a null value deletes the flow."""

    recorded_at: int
    value: bytes
    flow_id: str
    deleted: bool


def flow_version(record: Record) -> Found:
    """A record of `flow-configs`, whatever its bytes are."""
    version = FlowVersion(
        record.timestamp_ms, record.value or b"", _key_text(record.key), record.value is None
    )
    return Found((version,), (0,))


def _key_text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "replace")


def original_of(record: Record, value: object, index: int) -> bytes | None:
    """The bytes of a value of a record as they came: of an envelope those at its index."""
    return bytes(unpack(record.value or b"")[index]) if isinstance(value, LogRecord) else record.value
