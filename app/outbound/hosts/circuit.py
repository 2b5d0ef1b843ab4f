"""A host that only fails is left alone, and asked by one request at a time whether it is back.

Open after `RUN` failures in a row; then it is left alone for 5 s, doubled after each probe that fails,
5 min at most; one good answer closes it.
"""

from __future__ import annotations

RUN = 5
FIRST_MS = 5_000
MOST_MS = 300_000


class Circuit:
    """One host's circuit. `until_ms` is when it may be probed, None while the circuit is closed."""

    def __init__(self) -> None:
        self.until_ms: int | None = None
        self.run = 0  # failures since the last good answer
        self._wait_ms = FIRST_MS

    def fail(self, started_ms: int, now_ms: int) -> bool:
        """A send that began at `started_ms` failed; says whether this opened the circuit.

        What was in flight when it opened says nothing new.
        """
        self.run += 1
        if self.until_ms is None:
            if self.run < RUN:
                return False
            self._wait_ms = FIRST_MS
            self.until_ms = now_ms + self._wait_ms
            return True
        if started_ms >= self.until_ms:
            self._wait_ms = min(MOST_MS, 2 * self._wait_ms)
            self.until_ms = now_ms + self._wait_ms
        return False

    def work(self) -> bool:
        """A send was answered; says whether this closed the circuit."""
        self.run = 0
        was_open = self.until_ms is not None
        self.until_ms = None
        return was_open

    def is_probe(self, started_ms: int) -> bool:
        """Whether a send that began at `started_ms` asks whether the host is back."""
        return self.until_ms is not None and started_ms >= self.until_ms
