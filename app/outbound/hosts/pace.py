"""How fast a host may be sent to after it said that it is too fast.

A throttled host gets half of the rate at which it was sent to, once for all that was in flight together.
The rate then grows by a sixtieth of what it was each second (so 30 s to where it was throttled), and the
host has no rate of its own any more after five minutes without being throttled.
"""

from __future__ import annotations

LEAST_PER_S = 0.2
GROWS_S = 60.0
LIFTED_MS = 300_000


class Pace:
    """One host's rate: none until it throttles. It must be told of each send (`note`)."""

    def __init__(self) -> None:
        self._cut_ms: int | None = None
        self._base = self._step = 0.0
        self._second_ms = self._last_ms = 0
        self._count = self._before = 0

    def note(self, now_ms: int) -> None:
        """A send begins."""
        self._turn(now_ms)
        self._count += 1
        self._last_ms = now_ms

    def _turn(self, now_ms: int) -> None:
        past_ms = now_ms - self._second_ms
        if past_ms >= 1_000:
            self._before = self._count if past_ms < 2_000 else 0
            self._count, self._second_ms = 0, now_ms

    def cut(self, started_ms: int, now_ms: int) -> None:
        """A send that began at `started_ms` was throttled."""
        if self._cut_ms is not None and started_ms <= self._cut_ms:
            return
        self._turn(now_ms)
        was = self.per_s(now_ms) or float(max(self._before, self._count))
        self._base = max(LEAST_PER_S, was / 2)
        self._step = max(LEAST_PER_S, was) / GROWS_S
        self._cut_ms = now_ms

    def per_s(self, now_ms: int) -> float | None:
        """Sends a second now; None for no limit."""
        if self._cut_ms is None or now_ms - self._cut_ms >= LIFTED_MS:
            return None
        return self._base + self._step * max(0, now_ms - self._cut_ms) / 1_000

    def next_ms(self, now_ms: int) -> int:
        """When the next send may begin: `now_ms` or later."""
        per_s = self.per_s(now_ms)
        return now_ms if per_s is None else max(now_ms, self._last_ms + round(1_000 / per_s))
