"""Which lanes have put something off, so that nothing newer goes before it.

Best effort: remembered until two minutes after it was due, and at most so many of a lane (each offer looks
through them) and over all lanes; a new owner of the partition begins without it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from app.outbound.hosts.job import Job, Lane, T

MOST = 50_000
MOST_OF_LANE = 500
KEPT_MS = 120_000


@dataclass(frozen=True, slots=True)
class _Away:
    seq: int
    due_ms: int


class Behind:
    """What was put off, by lane and name; the lanes in the order in which they last put something off."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[Lane, dict[str, _Away]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put_off(self, job: Job[T], due_ms: int) -> None:
        """A job was put off until `due_ms`."""
        away = self._lanes.setdefault(job.lane, {})
        self._count += job.name not in away
        away[job.name] = _Away(job.seq, due_ms)
        self._lanes.move_to_end(job.lane)
        if len(away) > MOST_OF_LANE:
            del away[next(iter(away))]
            self._count -= 1
        while self._count > MOST:
            _, oldest = self._lanes.popitem(last=False)
            self._count -= len(oldest)

    def back(self, job: Job[T]) -> None:
        """A job was offered again."""
        if (away := self._lanes.get(job.lane)) and away.pop(job.name, None):
            self._count -= 1
            self._clear(job.lane)

    def due_ms(self, job: Job[T], now_ms: int) -> int | None:
        """When the last of what this job has to stay behind is due; None when it may go.

        A retry and what has the lowest `seq` stay behind nothing.
        """
        if not job.is_first or (away := self._lanes.get(job.lane)) is None:
            return None
        for name in [name for name, one in away.items() if one.due_ms + KEPT_MS < now_ms]:
            del away[name]
            self._count -= 1
        self._clear(job.lane)
        return max((one.due_ms for one in away.values() if one.seq < job.seq), default=None)

    def forget(self, now_ms: int) -> None:
        """Forget the lane that has been quiet for longest, if all that it put off should be back long ago."""
        lane, away = next(iter(self._lanes.items()), (None, {}))
        if lane is not None and all(one.due_ms + KEPT_MS < now_ms for one in away.values()):
            del self._lanes[lane]
            self._count -= len(away)

    def _clear(self, lane: Lane) -> None:
        if not self._lanes[lane]:
            del self._lanes[lane]
