"""Are rejected events on the rise? Pure: both clocks are arguments.

They are when a minute rejected ten or more, and over three times as many as the minutes of the hour before it
did on average; in a worker that was started less than an hour ago, the minutes since then.
"""

from __future__ import annotations

from app.kit.alarms import Alarm

FEWEST = 10
TIMES = 3
MINUTE_MS = 60_000
HOUR = 60


class Rejections:
    """The events rejected in each minute of the last hour. Minutes are of the steady clock."""

    def __init__(self, steady_ms: int) -> None:
        self._first = steady_ms // MINUTE_MS
        self._counts: dict[int, int] = {}
        self._why = ""

    def note(self, why: str, steady_ms: int) -> None:
        """An event was rejected."""
        minute = steady_ms // MINUTE_MS
        self._counts[minute] = self._counts.get(minute, 0) + 1
        self._why = why

    def alarms(self, now_ms: int, steady_ms: int) -> list[Alarm]:
        """The alarm, if they rise; `now_ms` is Unix milliseconds."""
        last = steady_ms // MINUTE_MS
        self._counts = {minute: n for minute, n in self._counts.items() if minute >= last - HOUR - 1}
        return [
            self._alarm(minute, now_ms - steady_ms) for minute in (last, last - 1) if self._rises(minute)
        ][:1]

    def _rises(self, minute: int) -> bool:
        count = self._counts.get(minute, 0)
        return count >= FEWEST and count > TIMES * self._average_before(minute)

    def _average_before(self, minute: int) -> float:
        begin = max(self._first, minute - HOUR)
        before = sum(count for at, count in self._counts.items() if begin <= at < minute)
        return before / max(1, minute - begin)

    def _alarm(self, minute: int, set_ms: int) -> Alarm:
        count, usual = self._counts[minute], self._average_before(minute)
        return Alarm(
            "events_rejected",
            f"{count} lead events were rejected in a minute, {usual:.3g} in those before; they are kept",
            minute * MINUTE_MS + set_ms,
            count,
            self._why,
            "see which: postbacks logs list --outcome rejected; mend their producer, then send them again",
        )
