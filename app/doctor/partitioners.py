"""Which hash put a key where it is: producers choose partitions, and their clients do not agree on how."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

Hash = Callable[[bytes], int]


def partition_of(key: bytes, partitions: int, murmur2: Hash) -> int:
    """Where a key belongs, as Kafka's own client has it: murmur2, made positive, modulo the partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def by_crc32(key: bytes, partitions: int) -> int:
    """librdkafka's default for a record with a key, `consistent_random`."""
    return zlib.crc32(key) % partitions


def by_fnv1a(key: bytes, partitions: int) -> int:
    """The default of Sarama, and kafka-go's `Hash`: 32-bit FNV-1a as a signed number, made positive."""
    value = 0x811C9DC5
    for byte in key:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    signed = value - (1 << 32) if value >= 1 << 31 else value
    return abs(signed) % partitions  # Go's % keeps the sign of the dividend, and then it is negated


_MOST = 0.9  # of two producers that do it wrong, the one that writes most is named
_KNOWN = (
    (
        by_crc32,
        "CRC-32 puts them there, the default of librdkafka (confluent-kafka, node-rdkafka, "
        "php-rdkafka, rdkafka).",
        "Set `partitioner=murmur2_random` in the producer's configuration.",
    ),
    (
        by_fnv1a,
        "FNV-1a puts them there, the default of Go's Sarama and kafka-go's Hash.",
        "In kafka-go set `Balancer: kafka.Murmur2Balancer{}`; in Sarama use a partitioner with "
        "Kafka's murmur2.",
    ),
)
_UNSIGNED = (
    "Murmur2 with its sign bit kept puts them there, the default of @platformatic/kafka.",
    "Set `partitioner: compatibilityPartitioner` in the producer.",
)
_ANY = (
    "No hash of Kafka's usual clients puts them there: it was chosen by hand, in turn or at random.",
    "librdkafka: `partitioner=murmur2_random`; kafka-go: `Balancer: kafka.Murmur2Balancer{}`; franz-go: its "
    "default, StickyKeyPartitioner(nil); KafkaJS: `Partitioners.DefaultPartitioner` of version 2.",
)


def by_unsigned_murmur2(key: bytes, partitions: int, murmur2: Hash) -> int:
    """The default of @platformatic/kafka: murmur2 as an unsigned number, where Kafka's drops its sign bit."""
    return (murmur2(key) & 0xFFFFFFFF) % partitions


def explain(placed: list[tuple[bytes, int]], partitions: int, murmur2: Hash) -> tuple[str, str]:
    """What keys with the partitions that they were put to tell of their producer, and what to set in it."""
    unsigned = partial(by_unsigned_murmur2, murmur2=murmur2)
    for hash_of, what, do in (*_KNOWN, (unsigned, *_UNSIGNED)):
        hits = sum(hash_of(key, partitions) == partition for key, partition in placed)
        if hits >= _MOST * len(placed):
            return what, do
    return _ANY
