"""One host: what waits for it, what is in flight to it, and what its answers taught about it."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, Literal

from app.outbound.hosts.circuit import Circuit
from app.outbound.hosts.job import Job, Report, T, Why
from app.outbound.hosts.limit import Limit
from app.outbound.hosts.pace import Pace
from app.outbound.hosts.slots import Slots

WAIT_MS = 10_000  # more than it sends in this time is put off
LEAST_WAITING = 64
MOST_WAITING = 2_000
SHORT_MS = 5_000  # for a host that is closed no longer than this, requests wait here
UNKNOWN_MS = 200.0  # the duration of a send to a host that has not answered yet
PROVEN_MS = 60_000
HANGS_MS = 2_000
_SMOOTH = 0.2

Like = Literal["idle", "busy", "doubtful"]
"""What decides of a host whether there is room for it in total."""

Key = tuple[str, str] | None
"""The queue of a host: that of a rate, or the one for all without."""


class Host(Generic[T]):
    """The state of one host. It knows nothing of other hosts, rates and lanes."""

    def __init__(self, name: str, max_per_host: int, now_ms: int) -> None:
        self.name = name
        self.limit = Limit(max_per_host)
        self.circuit = Circuit()
        self.pace = Pace()
        self.slots = Slots()
        self.paused_ms = 0
        self.used_ms = now_ms
        self.look_ms: int | None = None  # when it is to be looked at again, as far as this look has shown
        self.turn = 0
        self.line: list[tuple[int, Host[T]]] | None = None  # of `turns`
        self.wakes_ms: int | None = None  # likewise
        self.waiting: dict[Job[T], None] = {}  # by offer, those behind in their lanes too
        self.flying: dict[Job[T], None] = {}  # by start
        self.queues: OrderedDict[Key, deque[Job[T]]] = OrderedDict()  # the first of their lanes
        self._answered_ms = -PROVEN_MS
        self._duration_ms: float | None = None

    @property
    def closed_ms(self) -> int:
        """Until when nothing may be sent."""
        return max(self.paused_ms, self.circuit.until_ms or 0)

    @property
    def closed_by(self) -> Why:
        """What closes it, or closed it last."""
        return "paused" if self.paused_ms > (self.circuit.until_ms or 0) else "circuit"

    @property
    def duration_ms(self) -> int:
        """How long a send takes, as far as is known."""
        return round(UNKNOWN_MS if self._duration_ms is None else self._duration_ms)

    def is_ill(self, now_ms: int) -> bool:
        """Whether it fails or is closed: then its speed says nothing."""
        return self.circuit.run > 0 or self.closed_ms > now_ms

    def opens_ms(self, now_ms: int) -> int:
        """When the next send may begin, as far as time decides."""
        return max(self.pace.next_ms(now_ms), self.closed_ms)

    def has_room(self) -> bool:
        """Whether it takes one more send: under its limit, and one probe at a time."""
        if self.circuit.until_ms is not None:
            return not any(self.circuit.is_probe(job.started_ms) for job in self.flying)
        return len(self.flying) < self.limit.value

    def is_doubtful(self, now_ms: int) -> bool:
        """Whether it may be one that never answers: failing, hanging, or not proven lately."""
        if self.circuit.run or now_ms - self._answered_ms >= PROVEN_MS:
            return True
        oldest = next(iter(self.flying), None)
        hangs = oldest is not None and now_ms - oldest.started_ms >= HANGS_MS
        return hangs and now_ms - self._answered_ms >= HANGS_MS

    def would_take_more(self, now_ms: int) -> bool:
        """Whether it answers, and neither its limit, once grown, nor its pace keeps anything from it."""
        is_well = not self.is_ill(now_ms) and not self.is_doubtful(now_ms)
        return is_well and self.opens_ms(now_ms) <= now_ms and len(self.flying) < self.limit.hoped

    def like(self, now_ms: int) -> Like:
        """Whether it is doubtful, or has something in flight, or neither."""
        if self.is_doubtful(now_ms):
            return "doubtful"
        return "busy" if self.flying else "idle"

    def per_s(self, now_ms: int) -> float:
        """The speed at which it can be sent to, as far as is known."""
        speed = 1_000 * self.limit.hoped / max(1, self.duration_ms)
        pace = self.pace.per_s(now_ms)
        return speed if pace is None else min(speed, pace)

    def bound(self, now_ms: int) -> int:
        """How many may wait for it."""
        if self.is_ill(now_ms):
            return LEAST_WAITING
        return round(min(MOST_WAITING, max(LEAST_WAITING, self.per_s(now_ms) * WAIT_MS / 1_000)))

    def note(self, job: Job[T], report: Report, now_ms: int) -> bool | None:
        """Learn from a send that ended. True: the circuit opened, False: it closed."""
        is_used = 2 * len(self.flying) > self.limit.value
        del self.flying[job]
        self.used_ms = now_ms
        if report.kind == "nothing":
            return None
        self._learn_duration(report.took_ms)
        if report.kind in ("fails", "throttles"):
            self.limit.cut(job.started_ms, now_ms)
        if report.kind == "throttles":
            self.pace.cut(job.started_ms, now_ms)
            self.paused_ms = max(self.paused_ms, now_ms + (report.wait_ms or 0))
        if report.kind in ("fails", "errs"):
            return True if self.circuit.fail(job.started_ms, now_ms) else None
        self._answered_ms = now_ms
        if report.kind == "works" and is_used:
            self.limit.grow()
        return False if self.circuit.work() else None

    def _learn_duration(self, duration_ms: float) -> None:
        known = duration_ms if self._duration_ms is None else self._duration_ms
        self._duration_ms = known + _SMOOTH * (duration_ms - known)

    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self.waiting and not self.flying

    def rests_ms(self) -> int:
        """Until when it is to be known at least, whether it is used or not."""
        return max(self.used_ms, self.paused_ms, self.circuit.until_ms or 0)
