"""Envelopes: several values of one partition in one Kafka record of an internal topic.

A record's value is a JSON array of at most 32 values and 512 KiB; a value's address is the record's
partition and offset and its index in the array. An envelope keeps the order of its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

MAX_VALUES = 32
MAX_BYTES = 512 * 1024

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a value that somebody wrote may raise: no JSON or another type, no UTF-8, nested too deep."""


def pack(values: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Pack encoded JSON values into as few envelopes as the limits allow.

    Yields `(envelope, count)` in order; a value over the byte limit travels alone.
    """
    held: list[bytes] = []
    size = 2
    for value in values:
        if held and (len(held) == MAX_VALUES or size + len(value) + 1 > MAX_BYTES):
            yield b"[" + b",".join(held) + b"]", len(held)
            held, size = [], 2
        held.append(value)
        size += len(value) + 1
    if held:
        yield b"[" + b",".join(held) + b"]", len(held)


_raws = msgspec.json.Decoder(list[msgspec.Raw])


def unpack(envelope: bytes) -> Sequence[msgspec.Raw]:
    """The encoded values of an envelope, in order.

    Raises one of `UNREADABLE` when the record's value is no JSON array.
    """
    return _raws.decode(envelope)
