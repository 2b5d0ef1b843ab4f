"""What LOG reads, as rows in column order: log records, lead events, flow configs. Pure.

Every value is made to fit its column here, so that ClickHouse has no reason to refuse a row: times are put
into what DateTime64 holds, a price that Decimal(18,6) cannot hold is null, a lone surrogate (which no UTF-8
text has) is U+FFFD. Times are Unix milliseconds, as the client writes them without a detour.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import NamedTuple

import msgspec

from app.messages.envelope import UNREADABLE, unpack
from app.messages.record import Address, LogRecord

_FIRST_MS = -2_208_988_800_000  # 1900-01-01, ClickHouse: DateTime64
_LAST_MS = 10_413_791_999_999  # 2299-12-31 23:59:59.999
_PRICE_LIMIT = 1e12
_MILLIONTH = Decimal("0.000001")


class Row(NamedTuple):
    """One row: where its value lies in its topic, its fields in column order, value and key as they came."""

    address: Address
    fields: tuple[object, ...]
    original: bytes
    key: bytes | None


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


_escape = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_record = msgspec.json.Decoder(LogRecord)


def log_rows(record: Record) -> list[Row | BadRecord]:
    """The rows of a record of `postback-log`: one for each log record of its envelope, in order.

    An envelope that is no JSON array is one `BadRecord` at index 0.
    """
    try:
        parts = unpack(record.value or b"")
    except UNREADABLE as fault:
        whole = Address(record.partition, record.offset)
        return [BadRecord(whole, f"no envelope: {fault}", record.value, record.key, is_whole=True)]
    return [
        _log_row(bytes(part), Address(record.partition, record.offset, index), record.key)
        for index, part in enumerate(parts)
    ]


def _log_row(value: bytes, address: Address, key: bytes | None) -> Row | BadRecord:
    try:
        decoded = _record.decode(value)
    except UNREADABLE as fault:
        try:
            decoded = _record.decode(_without_surrogates(value))
        except UNREADABLE:
            return BadRecord(address, f"no log record: {fault}", value, key)
    return log_row(decoded, address, value, key)


def _without_surrogates(value: bytes) -> bytes:
    """JSON text with `\\ufffd` for each lone surrogate, which the decoder takes for an error."""
    return _escape.sub(lambda found: b"\\ufffd" if found[1] else found[0], value)


def log_row(record: LogRecord, address: Address, original: bytes = b"", key: bytes | None = None) -> Row:
    """One log record that lies at `address` of `postback-log`, as a row of `postback_log`."""
    tags, source = record.tags, record.source
    fields = (
        time_of(record.logged_at),
        time_of(record.requested_at),
        text_of(record.request_id),
        record.attempt,
        text_of(record.attempt_id),
        record.attempts or record.attempt,
        record.replay,
        text_of(record.event_id),
        text_of(record.lead_id),
        record.lead_seq,
        text_of(record.lead_flow_id),
        text_of(record.click_id),
        text_of(record.flow_id),
        record.flow_version,
        text_of(record.postback_id),
        text_of(record.event),
        record.outcome,
        text_of(record.reason),
        text_of(record.verdict),
        text_of(record.rule),
        text_of(record.method),
        text_of(record.host),
        text_of(record.url),
        _texts_of(record.request_headers),
        text_of(record.request_body),
        record.response_status,
        _texts_of(record.response_headers),
        text_of(record.response_body),
        text_of(record.error),
        record.duration_ms,
        record.queued_ms,
        None if record.next_attempt_at is None else time_of(record.next_attempt_at),
        price_of(record.price),
        text_of(record.currency),
        text_of(record.geo),
        text_of(tags.utm_source),
        text_of(tags.utm_campaign),
        text_of(tags.utm_content),
        text_of(tags.utm_term),
        text_of(tags.utm_medium),
        text_of(tags.subid),
        text_of(record.worker),
        text_of(record.source_topic),
        source.partition,
        source.offset,
        source.index,
        address.partition,
        address.offset,
        address.index,
    )
    return Row(address, fields, original, key)


class _Ids(msgspec.Struct):
    lead_id: str = ""
    flow_id: str | None = None
    event_id: str = ""


_ids = msgspec.json.Decoder(_Ids)


def lead_event_row(record: Record) -> Row:
    """A record of `lead-events` as a row of `lead_events`, whatever its bytes are.

    The ids are the event's; where it cannot be read the lead's is the record's key.
    """
    value = record.value or b""
    try:
        ids = _ids.decode(value)
    except UNREADABLE:
        ids = _Ids()
    fields = (
        record.partition,
        record.offset,
        time_of(record.timestamp_ms),
        ids.lead_id or _key_text(record.key),
        ids.flow_id or "",
        ids.event_id,
        value,
    )
    return Row(Address(record.partition, record.offset), fields, value, record.key)


def flow_version_row(record: Record) -> Row:
    """A record of `flow-configs` as a row of `flow_versions`; a null value deletes the flow."""
    value = record.value or b""
    fields = (
        record.partition,
        record.offset,
        time_of(record.timestamp_ms),
        _key_text(record.key),
        record.value is None,
        value,
    )
    return Row(Address(record.partition, record.offset), fields, value, record.key)


def _key_text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "replace")


def time_of(unix_ms: int) -> int:
    """A time that DateTime64(3) can hold: one before 1900 or after 2299 becomes that end."""
    return min(max(unix_ms, _FIRST_MS), _LAST_MS)


def price_of(price: float | None) -> Decimal | None:
    """A price to a millionth, half to even; None for one that Decimal(18,6) cannot hold."""
    if price is None or not math.isfinite(price) or abs(price) >= _PRICE_LIMIT:
        return None
    return Decimal(repr(price)).quantize(_MILLIONTH)


def text_of(text: str | None) -> str:
    """A text that has a UTF-8 form: lone surrogates become U+FFFD, nothing else changes; null is empty."""
    if not text or text.isascii():
        return text or ""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _texts_of(texts: dict[str, str]) -> dict[str, str]:
    return {text_of(name): text_of(value) for name, value in texts.items()}
