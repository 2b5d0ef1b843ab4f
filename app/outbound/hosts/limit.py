"""How many sends one host takes at a time: additive increase, multiplicative decrease.

As TCP does: it begins with a few, doubles within each round of answers until the first trouble, from then
on gains one a round; trouble halves it, once for all that was in flight together. It grows only while more
than half of it is used, so a host with little traffic holds little when it hangs.
"""

from __future__ import annotations

FIRST = 4


class Limit:
    """A host's own limit, from 1 to `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._value = float(min(FIRST, most))
        self._calm = float(most)  # up to here it doubles a round
        self._cut_ms = -1

    @property
    def value(self) -> int:
        """Sends at a time."""
        return int(self._value)

    @property
    def hoped(self) -> int:
        """What it may soon be, when there was no trouble yet: `most`, else its value."""
        return self._most if self._cut_ms < 0 else self.value

    def grow(self) -> None:
        """A send came to a good end while more than half of the limit was used."""
        step = 1.0 if self._value < self._calm else 1.0 / self._value
        self._value = min(float(self._most), self._value + step)

    def cut(self, started_ms: int, now_ms: int) -> None:
        """A send that began at `started_ms` met trouble."""
        if started_ms > self._cut_ms:
            self._calm = self._value = max(1.0, self._value / 2)
            self._cut_ms = now_ms
