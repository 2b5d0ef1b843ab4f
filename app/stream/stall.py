"""Has work stood still? Pure: the clock is an argument.

Consumers of this family can stall silently after an outage: the group looks healthy and the offset stands
still (faust-streaming#175, #523, #640).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import msgspec

Key = TypeVar("Key", bound=Hashable)


class Standing(msgspec.Struct, frozen=True):
    """Where a partition stands: values finished so far, and records before its end that are not done."""

    finished: int
    lag: int


class Stalls(Generic[Key]):
    """Tells which partitions finished nothing for `timeout_s` though something waits in them."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._since: dict[Key, tuple[int, float]] = {}  # finished then, and since when it stands so

    def look(self, now_s: float, standings: Mapping[Key, Standing]) -> list[Key]:
        """The partitions that have stalled by now. What is not in `standings` begins anew next time."""
        self._since = {
            key: self._standing_since(key, standing, now_s)
            for key, standing in standings.items()
            if standing.lag
        }
        return [key for key, (_, since_s) in self._since.items() if now_s - since_s >= self._timeout_s]

    def longest_s(self, now_s: float) -> float:
        """For how long the partition that has stood still the longest has done so; 0 when none does."""
        return max((now_s - since_s for _, since_s in self._since.values()), default=0.0)

    def forget(self, key: Key) -> None:
        """Begin a partition anew: nothing waited in it."""
        self._since.pop(key, None)

    def _standing_since(self, key: Key, standing: Standing, now_s: float) -> tuple[int, float]:
        finished, since_s = self._since.get(key, (-1, now_s))
        return (finished, since_s) if finished == standing.finished else (standing.finished, now_s)
