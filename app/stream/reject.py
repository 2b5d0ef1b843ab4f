"""Keep what cannot be handled: its bytes untouched in a topic, the reason and its address in headers.

Headers added to the record's own: `reason`, `source_topic`, `source_partition`, `source_offset` and, for
one value of an envelope, `source_index`; all text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from app.messages.record import Address

MAX_REASON_BYTES = 8 * 1024
_MAX_KEY_BYTES = 256 * 1024

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Rejected:
    """What is kept, where it comes from and why. `is_part`: it is one value of an envelope."""

    topic: str
    source: Address
    key: bytes | None
    value: bytes | None
    reason: str
    headers: Headers = ()
    is_part: bool = False


async def reject(producer: AIOKafkaProducer, topic: str, rejected: Rejected) -> None:
    """Write to a rejected topic, to the partition that it came from, and await the broker's word.

    A record without key and value gets an empty key, since the client sends none without both. One that
    was compressed and unpacks to more than a record may hold is kept by its key alone: the bytes stay where
    its headers say that they are. Raises aiokafka's `KafkaError`.
    """
    try:
        await _write(producer, topic, rejected)
    except MessageSizeTooLargeError:
        size = len(rejected.value or b"")
        reason = f"{rejected.reason}; too large for this topic, its {size} bytes stay at the source"
        key = rejected.key if len(rejected.key or b"") <= _MAX_KEY_BYTES else None
        await _write(producer, topic, replace(rejected, key=key, value=None, headers=(), reason=reason))


async def _write(producer: AIOKafkaProducer, topic: str, rejected: Rejected) -> None:
    headers = [*rejected.headers, *_headers(rejected)]
    key = b"" if rejected.key is None and rejected.value is None else rejected.key
    partition = rejected.source.partition
    await producer.send_and_wait(topic, rejected.value, key=key, partition=partition, headers=headers)


def _headers(rejected: Rejected) -> Headers:
    told = [
        ("reason", rejected.reason.encode("utf-8", "replace")[:MAX_REASON_BYTES]),
        ("source_topic", rejected.topic.encode()),
        ("source_partition", str(rejected.source.partition).encode()),
        ("source_offset", str(rejected.source.offset).encode()),
    ]
    return [*told, ("source_index", str(rejected.source.index).encode())] if rejected.is_part else told
