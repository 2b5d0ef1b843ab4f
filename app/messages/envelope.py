"""Envelopes: several values of one partition in one Kafka record of an internal topic.

A record's value is a JSON array of at most 32 values and 512 KiB; a value's address is the record's
partition and offset and its index in the array. An envelope keeps the order of its values.
"""

from __future__ import annotations

import json
import re
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
_values = json.JSONDecoder(parse_int=str, parse_float=str)
_white = re.compile(r"[ \t\n\r]*")


def unpack(envelope: bytes) -> Sequence[msgspec.Raw]:
    """The encoded values of an envelope, in order.

    Raises one of `UNREADABLE` when the record's value is no JSON array.
    """
    try:
        return _raws.decode(envelope)
    except msgspec.DecodeError:
        # A lone surrogate in one value, which the fast decoder refuses, is not to cost the others.
        values = _split(envelope)
        if values is None:
            raise
        return values


def _split(envelope: bytes) -> list[msgspec.Raw] | None:
    """The values of a JSON array whatever its texts hold; None when it is no array."""
    text = envelope.decode("latin-1")  # a character a byte: a place in it is one in the bytes
    at = _beyond_white(text, 0)
    if text[at : at + 1] != "[":
        return None
    found: list[msgspec.Raw] = []
    mark = ","
    while mark == ",":
        begin = _beyond_white(text, at + 1)
        try:
            _, end = _values.raw_decode(text, begin)
        except ValueError:
            return None
        found.append(msgspec.Raw(envelope[begin:end]))
        at = _beyond_white(text, end)
        mark = text[at : at + 1]
    return found if mark == "]" and _beyond_white(text, at + 1) == len(text) else None


def _beyond_white(text: str, at: int) -> int:
    found = _white.match(text, at)
    assert found is not None
    return found.end()
