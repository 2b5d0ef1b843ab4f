"""The clock, for the shells that hand it to the core."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime


def now_ms() -> int:
    """Unix milliseconds now."""
    return time.time_ns() // 1_000_000


def today() -> date:
    """The day in UTC."""
    return day_of(now_ms())


def day_of(unix_ms: int) -> date:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).date()


def steady_ms() -> int:
    """Milliseconds of a clock that nobody sets: only differences mean anything."""
    return time.monotonic_ns() // 1_000_000


def utc(unix_ms: int) -> str:
    """A time as people read it, `2026-11-24T10:00:00Z`; one that no calendar has as a number."""
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{unix_ms} ms"
