"""The clock, for the shells that hand it to the core."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Unix milliseconds now."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds of a clock that nobody sets: only differences mean anything."""
    return time.monotonic_ns() // 1_000_000
