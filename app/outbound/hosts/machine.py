"""Decides for each request: start now, wait, or put off. It holds what waits; the caller does the rest.

| limit | |
| --- | --- |
| in flight | `max_in_flight` in total; hosts that may never answer hold half of it together |
| the same | the last eighth is for the first requests of hosts that answer |
| of a host | its own limit (`limit`), pace and circuit; fewer than are free in total |
| of a postback | its rate (`bucket`) |
| of a lane | one in flight; the next waits without a place in its host |

What would wait for longer than some seconds is put off: for the n-th of `put_off_waits_ms` at the n-th
time in a row (the last repeats), for longer when its host is closed for longer. What stays behind something
that its lane put off comes back after that, the first or second wait later at least. What a host or a rate
that works has no time for now gets a time of its own (`slots`).
Nothing waits here for longer than `MOST_WAIT_MS`.

The caller offers, takes until there is None, starts or writes away what it took, says `done` after each
start, and takes again then and at `next_ms`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Generic
from zlib import crc32

from app.outbound.hosts.behind import Behind
from app.outbound.hosts.doubts import Doubts
from app.outbound.hosts.host import SHORT_MS, WAIT_MS, Host, Like
from app.outbound.hosts.job import CircuitChange, Job, Lane, PutOff, Report, Start, T, Why
from app.outbound.hosts.lanes import Lanes
from app.outbound.hosts.rates import Rates
from app.outbound.hosts.slots import Slots
from app.outbound.hosts.turns import Turns

MOST_WAIT_MS = 30_000
LANE_PART = 4  # one lane takes one of so many parts of what may wait for its host
MOST_HOSTS = 10_000
REMEMBERED_MS = 600_000  # a host without work
DOUBTFUL_PART = 2  # hosts that may never answer hold one of so many parts of what may be in flight
RESERVED_PART = 8  # one of so many parts is for the first request of a host that answers
SPREAD = 0.2  # of a wait: so what a closed host put off does not come back in one moment


class Hosts(Generic[T]):
    """The machine. `next_ms` is when `take` may have more to say, None if only `done` and `offer` can."""

    def __init__(self, max_in_flight: int, max_per_host: int, put_off_waits_ms: Sequence[int]) -> None:
        self._max_in_flight = max_in_flight
        self._max_per_host = max_per_host
        self._waits_ms = put_off_waits_ms
        self._hosts: OrderedDict[str, Host[T]] = OrderedDict()  # the one not used for longest first
        self._turns: Turns[T] = Turns()
        self._flying: dict[str, Host[T]] = {}
        self._doubts = Doubts(self._flying)
        self._lanes: Lanes[T] = Lanes()
        self._rates = Rates()
        self._behind = Behind()
        self._put_offs: deque[PutOff[T]] = deque()
        self._changes: list[CircuitChange] = []
        self.in_flight = 0
        self.waiting = 0
        self.open_circuits = 0

    @property
    def next_ms(self) -> int | None:
        """As the class says."""
        return self._turns.next_ms

    def set_share(self, share: float, now_ms: int) -> None:
        """This worker's part of every rate: its partitions over all, above 0."""
        self._rates.set_share(share, now_ms)
        for host in self._turns:
            self._turns.wake(host)

    def offer(self, job: Job[T], now_ms: int) -> None:
        """Take a job in: it is started or put off by a `take` that follows."""
        self._forget(now_ms)
        host = self._host(job.host, now_ms)
        host.used_ms = job.offered_ms = now_ms
        self._behind.back(job)
        if (due := self._refused(host, job, now_ms)) is not None:
            self._decide(PutOff(job, *due))
            return
        if not host.waiting:
            self._turns.join(host)
        host.waiting[job] = None
        self.waiting += 1
        if job.rate is not None:
            self._rates.wait(job.rate, 1, now_ms)
        if self._lanes.enter(job):
            self._queue(host, job)

    def take(self, now_ms: int) -> Start[T] | PutOff[T] | None:
        """The next decision; None when all that still waits has to wait."""
        crowded: list[tuple[Host[T], Like]] = []
        start = None
        while start is None and not self._put_offs:
            host = self._turns.next(now_ms, lambda like: self._has_room(like, now_ms))
            if host is None:
                break
            start = self._look(host, crowded, now_ms)
        for host, like in crowded:  # only now: one that needs more room than its like would be next again
            self._turns.crowd(host, like)
        if start is not None:
            return Start(start)
        return self._put_offs.popleft() if self._put_offs else None

    def _look(self, host: Host[T], crowded: list[tuple[Host[T], Like]], now_ms: int) -> Job[T] | None:
        """Put off what waited for too long; the job that begins now, if there is one."""
        self._put_off_waiting(host, now_ms)
        job, like = self._startable(host, now_ms)
        if job is not None and host.waiting:
            self._turns.join(host)
        elif host.waiting:
            if like is not None:
                crowded.append((host, like))
            if host.look_ms is not None:
                self._turns.sleep(host, host.look_ms)
        return job

    def done(self, job: Job[T], report: Report, now_ms: int) -> None:
        """A job that was started has ended, with this to say of its host."""
        host = self._hosts[job.host]
        opened = host.note(job, report, now_ms)
        self.in_flight -= 1
        if not host.flying:
            del self._flying[host.name]
        self._doubts.ends(host, now_ms)
        if host.waiting:
            self._turns.wake(host)
        self._hosts.move_to_end(host.name)
        if opened is not None:
            self.open_circuits += 1 if opened else -1
            self._changes.append(CircuitChange(host.name, host.circuit.until_ms))
        self._follow(job, now_ms)

    def is_lane_busy(self, lane: Lane) -> bool:
        """Whether something of a lane is in flight or waits."""
        return self._lanes.length(lane) > 0

    def is_crowded(self, now_ms: int) -> bool:
        """Whether more waits than may be in flight, for hosts that answer and would take it at once.

        Then this process is the bottleneck and not a host: what comes waits better in Kafka than in a tier.
        """
        if self.waiting <= self._max_in_flight:
            return False
        crowd = sum(len(host.waiting) for host in self._turns if host.would_take_more(now_ms))
        return crowd > self._max_in_flight

    def changes(self) -> list[CircuitChange]:
        """The circuits that opened or closed since this was asked last."""
        told, self._changes = self._changes, []
        return told

    def drop_waiting(self, now_ms: int) -> None:
        """Forget what waits and what was to be put off; what is in flight stays until it is `done`."""
        self._put_offs.clear()
        for host in self._hosts.values():
            for job in host.waiting:
                self._lanes.leave(job)
                if job.rate is not None:
                    self._rates.wait(job.rate, -1, now_ms)
            host.waiting.clear()
            host.queues.clear()
            self._turns.leave(host)
            host.slots = Slots()  # those that were put off may have another owner now
        self.waiting = 0
        self._rates.forget_slots()

    def _refused(self, host: Host[T], job: Job[T], now_ms: int) -> tuple[int, Why] | None:
        """Until when a job is put off at once, and why; None when it may wait."""
        before_ms = self._behind.due_ms(job, now_ms)
        if before_ms is not None:
            return self._after_lane(host, job, before_ms, now_ms)
        bound = host.bound(now_ms)
        if self._lanes.length(job.lane) >= bound // LANE_PART:
            return max(now_ms + self._wait_ms(job.put_offs), host.closed_ms), "lane"
        if host.closed_ms > now_ms + SHORT_MS:
            return self._after_closed(host, job, now_ms)
        if job.rate is not None:
            times = now_ms + self._waits_ms[0], now_ms + self._waits_ms[-1], now_ms
            slot_ms = self._rates.slot_ms(job.rate, job.put_offs > 0, *times)
            if slot_ms is not None:
                return slot_ms, "rate"
        is_new = job.put_offs == 0 and len(host.waiting) > 0
        if len(host.waiting) < bound and not (is_new and host.slots.is_behind(now_ms + WAIT_MS)):
            return None
        return self._after_waiting(host, job, now_ms)

    def _wait_ms(self, put_offs: int) -> int:
        return self._waits_ms[min(put_offs, len(self._waits_ms) - 1)]

    def _after_lane(self, host: Host[T], job: Job[T], before_ms: int, now_ms: int) -> tuple[int, Why]:
        """When a job is offered again that has to stay behind one that is due at `before_ms`.

        It waits longer only as that one does, which may have gone to another owner and never come back.
        """
        later_ms = max(now_ms + self._wait_ms(min(job.put_offs, 1)), host.closed_ms)
        return max(later_ms, before_ms + host.duration_ms), "lane"

    def _after_closed(self, host: Host[T], job: Job[T], now_ms: int) -> tuple[int, Why]:
        """When a job of a host that is closed or fails is offered again."""
        wait_ms = max(self._wait_ms(job.put_offs), host.closed_ms - now_ms)
        return now_ms + wait_ms + _spread(job, min(wait_ms, self._waits_ms[-1])), host.closed_by

    def _after_waiting(self, host: Host[T], job: Job[T], now_ms: int) -> tuple[int, Why]:
        """When a job is offered again because too much waits for its host."""
        if host.is_ill(now_ms):
            return self._after_closed(host, job, now_ms)
        per_s = host.per_s(now_ms)
        first_ms = now_ms + max(self._waits_ms[0], round(1_000 * len(host.waiting) / per_s))
        return host.slots.give(first_ms, now_ms + self._waits_ms[-1], per_s), "queue"

    def _put_off_waiting(self, host: Host[T], now_ms: int) -> None:
        """Put off what waited for too long, and all of a host that was closed for more than a moment."""
        while host.waiting:
            job = next(iter(host.waiting))
            if host.closed_ms > now_ms + SHORT_MS:
                self._put_off(host, job, *self._after_closed(host, job, now_ms), now_ms)
            elif job.offered_ms + MOST_WAIT_MS <= now_ms:
                self._put_off(host, job, *self._after_waiting(host, job, now_ms), now_ms)
            else:
                _wait(host, job.offered_ms + MOST_WAIT_MS)
                return

    def _put_off(self, host: Host[T], job: Job[T], due_ms: int, why: Why, now_ms: int) -> None:
        """Put off a job that waits, and with it what may not go before it."""
        self._stop_waiting(host, job, now_ms)
        self._decide(PutOff(job, due_ms, why))
        self._follow(job, now_ms)

    def _decide(self, put_off: PutOff[T]) -> None:
        self._behind.put_off(put_off.job, put_off.due_ms)
        self._put_offs.append(put_off)

    def _follow(self, job: Job[T], now_ms: int) -> None:
        """A job leaves its lane: the next there that may go is the first now."""
        follower = self._lanes.leave(job)
        while follower is not None:
            host = self._hosts[follower.host]
            before_ms = self._behind.due_ms(follower, now_ms)
            if before_ms is None:
                self._queue(host, follower)
                return
            self._stop_waiting(host, follower, now_ms)
            self._decide(PutOff(follower, *self._after_lane(host, follower, before_ms, now_ms)))
            follower = self._lanes.leave(follower)

    def _stop_waiting(self, host: Host[T], job: Job[T], now_ms: int) -> None:
        del host.waiting[job]
        if not host.waiting:
            self._turns.leave(host)
        self.waiting -= 1
        if job.rate is not None:
            self._rates.wait(job.rate, -1, now_ms)

    def _startable(self, host: Host[T], now_ms: int) -> tuple[Job[T] | None, Like | None]:
        """The job of a host that begins now, counted as in flight from now on.

        With it, if there is none because there is no room in total, what the host is like.
        """
        if not host.queues or not host.has_room():
            return None, None
        if (opens_ms := host.opens_ms(now_ms)) > now_ms:
            _wait(host, opens_ms)
            return None, None
        like = host.like(now_ms)
        if len(host.flying) >= self._max_in_flight - self.in_flight or not self._has_room(like, now_ms):
            return None, like
        for key in list(host.queues):
            jobs = host.queues[key]
            while jobs and jobs[0] not in host.waiting:
                jobs.popleft()  # put off since
            if jobs and self._has_token(host, jobs[0], now_ms):
                host.queues.move_to_end(key)
                return self._begin(host, jobs.popleft(), now_ms), None
            if not jobs:
                del host.queues[key]
        return None, None

    def _has_room(self, like: Like, now_ms: int) -> bool:
        """Whether one more send to a host of this like may be in flight."""
        free = self._max_in_flight - self.in_flight
        if like == "idle" or free <= 0:
            return free > 0
        if free <= self._max_in_flight // RESERVED_PART:
            return False
        return like == "busy" or self._doubts.count(now_ms) < max(1, self._max_in_flight // DOUBTFUL_PART)

    def _has_token(self, host: Host[T], job: Job[T], now_ms: int) -> bool:
        if job.rate is None:
            return True
        ready_ms = self._rates.take(job.rate, now_ms)
        if ready_ms is not None:
            _wait(host, ready_ms)
        return ready_ms is None

    def _begin(self, host: Host[T], job: Job[T], now_ms: int) -> Job[T]:
        self._stop_waiting(host, job, now_ms)
        host.pace.note(now_ms)
        host.flying[job] = None
        self._flying[host.name] = host
        self.in_flight += 1
        job.started_ms = now_ms
        self._doubts.begins(host, now_ms)
        return job

    def _queue(self, host: Host[T], job: Job[T]) -> None:
        """Let a job that is the first of its lane wait for its host."""
        key = None if job.rate is None else job.rate.key
        host.queues.setdefault(key, deque()).append(job)
        if not self._turns.is_crowded(host):  # there another job changes nothing
            self._turns.wake(host)

    def _host(self, name: str, now_ms: int) -> Host[T]:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(name, self._max_per_host, now_ms)
        self._hosts.move_to_end(name)
        return host

    def _forget(self, now_ms: int) -> None:
        """Forget what has had nothing to say for long: a step of it at each offer keeps memory bounded."""
        self._rates.forget(now_ms)
        self._behind.forget(now_ms)
        host = next(iter(self._hosts.values()), None)
        if host is None:
            return
        if host.is_idle() and (host.rests_ms() + REMEMBERED_MS < now_ms or len(self._hosts) > MOST_HOSTS):
            del self._hosts[host.name]
            if host.circuit.until_ms is not None:
                self.open_circuits -= 1
                self._changes.append(CircuitChange(host.name, None))
        elif host.used_ms + REMEMBERED_MS < now_ms:
            self._hosts.move_to_end(host.name)


def _wait(host: Host[T], until_ms: int) -> None:
    host.look_ms = until_ms if host.look_ms is None else min(host.look_ms, until_ms)


def _spread(job: Job[T], wait_ms: int) -> int:
    """Up to a fifth of a wait, the same for each copy of a job."""
    part = crc32(f"{job.name}:{job.put_offs}".encode()) / 2**32
    return round(wait_ms * SPREAD * part)
