"""Whether an insert that failed may be tried again as it is, or holds a row that ClickHouse will never take.

Only errors that are known to speak of the data count as a refusal. Everything else (no connection, no
memory, too many parts, a missing table, a wrong password) is waited for: nothing is lost by waiting, and a
mistake in the set-up must not turn a whole log into rejects. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# ClickHouse: src/Common/ErrorCodes.cpp; each is raised for a value that does not fit its column or rule.
_OF_THE_DATA = {
    *(6, 25, 26, 27, 32, 33, 38, 41, 72, 130),  # cannot be parsed or read
    *(20, 53, 69, 70, 117, 321, 407),  # does not fit the type
    *(128, 131),  # array or text too large
    *(349, 395, 469, 691),  # null in a plain column, throwIf, a constraint, not of the enum
}
_BEFORE = re.compile(r"^(Received ClickHouse exception, code: \d+, server response: )?(Code: \d+\. )?")
_BEHIND = re.compile(r"( \(version [^()]*(\([^()]*\))?\))? *(\(for url [^()]*\))?$")
_LONGEST = 500


@dataclass(frozen=True)
class Refused:
    """A row in it can never be stored."""

    reason: str


@dataclass(frozen=True)
class Away:
    """ClickHouse cannot take it now."""

    reason: str


def told_of(text: str, code: int | None) -> Refused | Away:
    """What an error of ClickHouse means for the insert, by its code; None is one that never got there."""
    reason = shortened(text)
    return Refused(reason) if code in _OF_THE_DATA else Away(reason)


def shortened(text: str) -> str:
    """The first line of an error without what the client puts around it."""
    line = (text.strip().splitlines() or [""])[0]
    return _BEHIND.sub("", _BEFORE.sub("", line)).removeprefix("DB::Exception: ")[:_LONGEST]


def backoff_s(tries: int, jitter: float) -> float:
    """How long to wait after the `tries`-th failure in a row: 0.5 s, doubled each time, at most 30 s.

    `jitter` from 0 to 1 makes it 80 to 120 %, so that workers do not come back all at once.
    """
    steady = min(0.5 * 2.0 ** min(tries - 1, 10), 30.0)
    return steady * (0.8 + 0.4 * jitter)
