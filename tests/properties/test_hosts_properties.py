"""For every course of offers, answers and time: limits and order hold, nothing is lost, hosts recover.

The world around the machine has a clock of its own, hosts that do what they like, and brings back what was
put off when it is due, later, or never before the end; then every host works, and all must be sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.outbound.hosts.behind import KEPT_MS
from app.outbound.hosts.job import Job, Kind, PutOff, Rate, Report, Start
from app.outbound.hosts.machine import MOST_WAIT_MS, Hosts

WAITS_MS = (5_000, 60_000, 600_000)
HOSTS = ("a", "b", "c", "d")
PER_S = {"slow": 0.5, "fast": 20.0}

_hosts = st.sampled_from(HOSTS)
_kinds = st.sampled_from(["works", "errs", "fails", "throttles", "nothing"])


class World(RuleBasedStateMachine):
    """Jobs are numbers; a lane belongs to one host, and so do the two rates."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.numbers: Iterator[int] = count(1)
        self.waiting: dict[Job[int], None] = {}
        self.flying: dict[Job[int], None] = {}
        self.away: dict[Job[int], int] = {}
        self.ended: set[str] = set()
        self.order: dict[Job[int], int] = {}
        self.offered = 0
        self.dropped = 0
        self.paused: dict[str, int] = defaultdict(int)
        self.open: dict[str, int] = {}
        self.sends: dict[str, list[int]] = defaultdict(list)

    @initialize(total=st.integers(1, 12), each=st.integers(1, 6))
    def begin(self, total: int, each: int) -> None:
        self.total, self.each = total, each
        self.machine: Hosts[int] = Hosts(total, each, WAITS_MS)

    @rule(host=_hosts, lane=st.integers(0, 2), rate=st.sampled_from([None, *PER_S]), times=st.integers(1, 12))
    def offer(self, host: str, lane: int, rate: str | None, times: int) -> None:
        for _ in range(times):
            number = next(self.numbers)
            asked = None if rate is None else Rate((host, rate), PER_S[rate], 1)
            place = (f"{host}{lane}{rate}", "F", "p")
            self._offer(Job(number, host, place, str(number), seq=number, rate=asked))
        self._decide()

    @rule(host=_hosts, times=st.integers(60, 200))
    def offer_many_of_other_lanes(self, host: str, times: int) -> None:
        for _ in range(times):
            number = next(self.numbers)
            self._offer(Job(number, host, (f"lane {number}", "F", "p"), str(number), seq=number))
        self._decide()

    @rule(place=st.integers(0, 9), kind=_kinds, wait_ms=st.sampled_from([None, 500, 30_000, 3_600_000]))
    def end_one(self, place: int, kind: Kind, wait_ms: int | None) -> None:
        if self.flying:
            self._end(list(self.flying)[place % len(self.flying)], Report(kind, wait_ms))
            self._decide()

    @rule(host=_hosts, kind=_kinds)
    def end_all_of_a_host(self, host: str, kind: Kind) -> None:
        for job in [job for job in self.flying if job.host == host]:
            self._end(job, Report(kind))
        self._decide()

    @rule(host=_hosts, ms=st.sampled_from([0, 3_000]), lanes=st.integers(1, 9))
    def end_each_badly_that_begins(self, host: str, ms: int, lanes: int) -> None:
        self.offer_many_of_other_lanes(host, lanes)
        while flying := [job for job in self.flying if job.host == host]:
            self.now += ms
            self._end(flying[0], Report("fails"))
            self._decide()

    @rule(ms=st.sampled_from([1, 40, 700, 2_500, 9_000, 31_000, 400_000]))
    def pass_time(self, ms: int) -> None:
        self.now += ms
        self._decide()

    @rule()
    def pass_time_until_it_says(self) -> None:
        if self.machine.next_ms is not None:
            assert self.machine.next_ms > self.now
            self.now = self.machine.next_ms
            self._decide()

    @rule(most=st.integers(1, 100))
    def bring_back(self, most: int) -> None:
        due = [job for job, due in self.away.items() if due <= self.now][:most]
        for job in due:
            del self.away[job]
            self._offer(self._again(job))
        self._decide()

    @rule(share=st.sampled_from([0.25, 0.5, 1.0]))
    def rebalance(self, share: float) -> None:
        self.machine.drop_waiting(self.now)
        self.dropped += len(self.waiting)
        self.waiting.clear()
        self.machine.set_share(share, self.now)
        self._decide()

    def _again(self, job: Job[int]) -> Job[int]:
        return Job(job.item, job.host, job.lane, job.name, job.seq, job.is_first, job.put_offs + 1, job.rate)

    def _offer(self, job: Job[int]) -> None:
        self.offered += not job.put_offs
        self.order[job] = next(self.numbers)
        self.waiting[job] = None
        self.machine.offer(job, self.now)

    def _decide(self) -> None:
        while (step := self.machine.take(self.now)) is not None:
            job = step.job
            assert job in self.waiting
            if isinstance(step, Start):
                self._started(job)
            else:
                self._was_put_off(step)
            del self.waiting[job]
        for change in self.machine.changes():
            if change.until_ms is None:
                del self.open[change.host]
            else:
                self.open[change.host] = change.until_ms

    def _started(self, job: Job[int]) -> None:
        mine = [other for other in self.waiting if other.lane == job.lane]
        assert mine[0] is job, "the first of its lane goes first"
        assert not any(other.lane == job.lane for other in self.flying)
        assert not any(
            self._is_before(other, job) and due + KEPT_MS >= job.offered_ms
            for other, due in self.away.items()
        ), "nothing goes before what its lane put off"
        assert self.now >= self.paused[job.host]
        assert self.now >= self.open.get(job.host, 0)
        self.flying[job] = None
        if job.rate is not None:
            self.sends["".join(job.rate.key)].append(self.now)

    def _is_before(self, one: Job[int], other: Job[int]) -> bool:
        return one.lane == other.lane and one.seq < other.seq and self.order[one] < self.order[other]

    def _was_put_off(self, step: PutOff[int]) -> None:
        job, wait_ms = step.job, step.due_ms - self.now
        most = {"queue": 0, "rate": 0, "lane": 1}.get(step.why, 2)
        least = WAITS_MS[min(job.put_offs, most)]
        assert wait_ms >= least
        assert step.due_ms >= self.paused[job.host]
        assert step.due_ms >= self.open.get(job.host, 0)
        self.away[job] = step.due_ms

    def _end(self, job: Job[int], report: Report) -> None:
        del self.flying[job]
        assert job.name not in self.ended
        self.ended.add(job.name)
        if report.kind == "throttles":
            self.paused[job.host] = max(self.paused[job.host], self.now + (report.wait_ms or 0))
        self.machine.done(job, replace(report, took_ms=self.now - job.started_ms), self.now)

    @invariant()
    def no_limit_is_passed(self) -> None:
        assert self.machine.in_flight == len(self.flying) <= self.total
        for host in HOSTS:
            flying = [job for job in self.flying if job.host == host]
            assert len(flying) <= self.each
            if host in self.open:
                assert sum(job.started_ms >= self.open[host] for job in flying) <= 1

    @invariant()
    def every_job_is_in_one_place(self) -> None:
        assert self.machine.waiting == len(self.waiting)
        places = len(self.waiting) + len(self.flying) + len(self.away) + len(self.ended) + self.dropped
        assert self.offered == places
        assert all(job.offered_ms + MOST_WAIT_MS > self.now for job in self.waiting)

    @invariant()
    def no_rate_is_passed(self) -> None:
        for key, sends in self.sends.items():
            per_s = next(per_s for name, per_s in PER_S.items() if key.endswith(name))
            burst = max(1.0, per_s)
            for first, at in enumerate(sends):
                for last, until in enumerate(sends[first:], start=first):
                    assert last - first + 1 <= burst + per_s * (until - at) / 1_000 + 1e-6

    def teardown(self) -> None:
        """From now on every host works: all is sent, every circuit closes, and nothing is kept."""
        if not hasattr(self, "machine"):
            return
        for _ in range(20_000):
            self._decide()
            for job in list(self.flying):
                self._end(job, Report("works"))
            self._decide()
            if not self.waiting and not self.away and not self.flying:
                break
            times = [*self.away.values(), *([self.machine.next_ms] if self.machine.next_ms else [])]
            self.now = max(self.now + 20, min(times, default=0) if not self.flying else 0)
            self.bring_back(10_000)
        assert (len(self.waiting), len(self.away)) == (0, 0)
        assert len(self.ended) + self.dropped == self.offered
        self.no_rate_is_passed()
        self._forgets()

    def _forgets(self) -> None:
        self.now += 30 * 86_400_000
        for _ in range(500):
            self.offer("e", 0, None, 1)
            for job in list(self.flying):
                self._end(job, Report("works"))
        assert set(self.machine._hosts) == {"e"}
        assert (self.open, self.machine.open_circuits) == ({}, 0)
        assert not self.machine._lanes
        assert not self.machine._rates
        assert not self.machine._behind


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
