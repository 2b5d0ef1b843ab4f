"""Read an ISO 8601 time as Unix milliseconds.

Calendar dates with or without separators, a time of day down to any fraction, an offset. Without an
offset it is UTC, a date alone is its midnight, and fractions of a millisecond are cut. A leap second
(`23:59:60`, RFC 3339, section 5.7) is the second that follows it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

PATTERN = (
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})"
    r"([Tt ][0-9]{2}(:?[0-9]{2}(:?([0-9]{2})([.,][0-9]+)?)?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_shape = re.compile(PATTERN)
_SECONDS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@lru_cache(maxsize=8)
def unix_ms(text: str) -> int | None:
    """The Unix milliseconds of an ISO 8601 text; None when it is none.

    An event's time is asked for by whoever checks it and by whoever folds it: the last ones are remembered.
    """
    if len(text) == 24 and text[10] == "T" and text[19] == "." and text[23] == "Z":
        return _usual(text)
    return _unix_ms(text)


def _usual(text: str) -> int | None:
    """The same for `2026-11-23T15:00:00.123Z`, as most producers write it: read in C."""
    try:
        return round(msgspec.convert(text, datetime).timestamp() * 1000)
    except (msgspec.ValidationError, OverflowError):
        return _unix_ms(text)


def _unix_ms(text: str) -> int | None:
    shape = _shape.fullmatch(text)
    if shape is None:  # `fromisoformat` alone reads on past a NUL and takes any separator
        return None
    leap_ms = 0
    if shape[_SECONDS] == "60":
        start, end = shape.span(_SECONDS)
        text, leap_ms = f"{text[:start]}59{text[end:]}", 1000
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MS + leap_ms
