"""What only fails: keys (a postback, a host) with failures and nothing good in the last ten minutes. Pure.

A key is called failing after `fewest` failures within the window, the first of the row at least `lasting_ms`
ago, and then until something good comes of it or nothing at all does for as long as the window. So one that
is tried seldom, because it fails, goes on being called so.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

WINDOW_MS = 10 * 60_000
MOST = 5_000
MOST_SHOWN = 500  # characters of why

K = TypeVar("K")


@dataclass(slots=True)
class Row:
    """Failures in a row: how many, since when, and why the newest one."""

    since_ms: int
    newest_ms: deque[int]
    count: int = 0
    why: str = ""
    is_called: bool = False


class Failing(Generic[K]):
    """The keys used lately, `MOST` failing and `MOST` working ones at most."""

    def __init__(self, fewest: int, lasting_ms: int = 0, window_ms: int = WINDOW_MS) -> None:
        self._fewest = fewest
        self._lasting_ms = lasting_ms
        self._window_ms = window_ms
        self._rows: OrderedDict[K, Row] = OrderedDict()
        self._worked_ms: OrderedDict[K, int] = OrderedDict()

    def works(self, key: K, now_ms: int) -> None:
        """Something good came of a key."""
        self._rows.pop(key, None)
        self._worked_ms[key] = now_ms
        self._worked_ms.move_to_end(key)
        if len(self._worked_ms) > MOST:
            self._worked_ms.popitem(last=False)

    def fails(self, key: K, why: str, now_ms: int) -> None:
        """Something failed."""
        row = self._rows.get(key)
        if row is None or now_ms - row.newest_ms[-1] >= self._window_ms:
            row = self._rows[key] = Row(now_ms, deque(maxlen=self._fewest))
        row.newest_ms.append(now_ms)
        row.count += 1
        row.why = why[:MOST_SHOWN]
        self._rows.move_to_end(key)
        if len(self._rows) > MOST:
            self._rows.popitem(last=False)

    def row(self, key: K) -> Row | None:
        """The failures of a key since something good came of it."""
        return self._rows.get(key)

    def only_failing(self, now_ms: int) -> Iterator[tuple[K, Row]]:
        """The keys that are called failing now; forgets what was not used for as long as the window."""
        since_ms = now_ms - self._window_ms
        while self._rows and next(iter(self._rows.values())).newest_ms[-1] <= since_ms:
            self._rows.popitem(last=False)
        while self._worked_ms and next(iter(self._worked_ms.values())) <= since_ms:
            self._worked_ms.popitem(last=False)
        for key, row in self._rows.items():
            row.is_called = row.is_called or self._begins(key, row, now_ms)
            if row.is_called:
                yield key, row

    def _begins(self, key: K, row: Row, now_ms: int) -> bool:
        is_many = len(row.newest_ms) == self._fewest and now_ms - row.newest_ms[0] < self._window_ms
        return is_many and key not in self._worked_ms and now_ms - row.since_ms >= self._lasting_ms
