"""Keep what cannot be handled: its bytes untouched in a topic, the reason and its address in headers.

Headers added to the record's own: `reason`, `source_topic`, `source_partition`, `source_offset` and, for
one value of an envelope, `source_index`; all text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from app.messages.record import Address

MAX_REASON_BYTES = 8 * 1024

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

    A record without key and value gets an empty key, since the client sends none without both. Raises
    aiokafka's `KafkaError`.
    """
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
