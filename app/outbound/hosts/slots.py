"""Times for what is put off because too much waits: each its own, at the speed at which it can be sent.

Without them a backlog would come back all at once, a little of it be sent, and the rest put off again
for minutes in which nothing is sent.
"""

from __future__ import annotations


class Slots:
    """The times given away by one host or one rate, one behind the other."""

    def __init__(self) -> None:
        self._next_ms = 0.0

    def is_behind(self, horizon_ms: int) -> bool:
        """Whether those that were put off before are still due later than `horizon_ms`."""
        return self._next_ms > horizon_ms

    def give(self, first_ms: int, last_ms: int, per_s: float) -> int:
        """The next free time from `first_ms` on; `last_ms` for all that would come later."""
        slot = max(float(first_ms), self._next_ms)
        if slot >= last_ms:
            return last_ms
        self._next_ms = slot + 1_000 / per_s
        return round(slot)
