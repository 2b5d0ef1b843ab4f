"""Alarms: what somebody should look at now, from its beginning to its end. Pure: the clock is an argument.

Whoever watches says all that is wrong now, again and again; this tells what of it is new, what goes on and
what is over. So a thousand failures are one alarm, and one that comes and goes within minutes is one too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

REPEAT_MS = 15 * 60_000
CALM_MS = 5 * 60_000
MOST_OF_A_KIND = 100

Kind = Literal["postback_fails", "host_dark", "auth_refused", "deadline_near", "events_rejected"]
Key = tuple[Kind, str, str, str]
"""Kind, flow, postback and host: an alarm of each is on once at most."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong: what and how many, since when (Unix ms), why, what to do.

    `why` is masked like a row; `todo` names a command. Where it is: those of `flow`, `postback` and `host`
    that it is about.
    """

    kind: Kind
    what: str
    since_ms: int
    count: int
    why: str
    todo: str
    flow: str = ""
    postback: str = ""
    host: str = ""

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.kind, self.flow, self.postback, self.host


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be told of an alarm."""

    now: Literal["begins", "goes on", "is over"]
    alarm: Alarm


@dataclass(slots=True)
class _On:
    alarm: Alarm
    told_ms: int
    seen_ms: int


class Alarms:
    """The alarms that are on, `MOST_OF_A_KIND` of each kind at most: what is beyond them waits its turn.

    One is told when it begins, every `repeat_ms` while it goes on, and when it was not seen for `calm_ms`.
    """

    def __init__(self, repeat_ms: int = REPEAT_MS, calm_ms: int = CALM_MS) -> None:
        self._repeat_ms = repeat_ms
        self._calm_ms = calm_ms
        self._on: dict[Key, _On] = {}
        self._of_a_kind: Counter[Kind] = Counter()

    def look(self, now_ms: int, alarms: Iterable[Alarm]) -> list[Change]:
        """What is to be told when `alarms` is all that is wrong at `now_ms`, of a clock that nobody sets."""
        changes = [change for alarm in alarms if (change := self._see(alarm, now_ms)) is not None]
        over = [key for key, on in self._on.items() if self._is_over(on, now_ms)]
        return [*changes, *(Change("is over", self._end(key)) for key in over)]

    @property
    def counts(self) -> Mapping[Kind, int]:
        """How many are on, of each kind that ever was."""
        return self._of_a_kind

    def _see(self, alarm: Alarm, now_ms: int) -> Change | None:
        on = self._on.get(alarm.key)
        if on is None:
            if self._of_a_kind[alarm.kind] >= MOST_OF_A_KIND:
                return None
            self._of_a_kind[alarm.kind] += 1
            self._on[alarm.key] = _On(alarm, now_ms, now_ms)
            return Change("begins", alarm)
        on.alarm = replace(alarm, since_ms=min(alarm.since_ms, on.alarm.since_ms))
        on.seen_ms = now_ms
        if now_ms - on.told_ms < self._repeat_ms:
            return None
        on.told_ms = now_ms
        return Change("goes on", on.alarm)

    def _is_over(self, on: _On, now_ms: int) -> bool:
        return on.seen_ms != now_ms and now_ms - on.seen_ms >= self._calm_ms

    def _end(self, key: Key) -> Alarm:
        alarm = self._on.pop(key).alarm
        self._of_a_kind[alarm.kind] -= 1
        return alarm
