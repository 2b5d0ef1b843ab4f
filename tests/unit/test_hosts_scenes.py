"""Who starts, who waits, who is put off: scenes with a simulated clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any

import pytest

from app.outbound.hosts import machine as module
from app.outbound.hosts.circuit import RUN
from app.outbound.hosts.host import LEAST_WAITING, MOST_WAITING, Host
from app.outbound.hosts.job import Job, PutOff, Rate, Report, Start
from app.outbound.hosts.machine import MOST_WAIT_MS, Hosts

WAITS_MS = (5_000, 60_000, 600_000)
WORKS = Report("works")


class Scene:
    """A machine, its clock, and what it decided."""

    def __init__(self, total: int = 256, each: int = 32) -> None:
        self.machine: Hosts[str] = Hosts(total, each, WAITS_MS)
        self.now = 1_000_000
        self.numbers = count()
        self.flying: list[Job[str]] = []
        self.put_offs: list[PutOff[str]] = []

    def offer(self, host: str, times: int = 1, lane: str | None = None, rate: Rate | None = None) -> None:
        for _ in range(times):
            number = next(self.numbers)
            place = (lane or f"lead {number}", "F", "p")
            job = Job(f"{host}{number}", host, place, f"r{number}", seq=number, rate=rate)
            self.machine.offer(job, self.now)
        self.decide()

    def again(self, put_off: PutOff[str]) -> None:
        job = put_off.job
        copy = Job(job.item, job.host, job.lane, job.name, job.seq, job.is_first, job.put_offs + 1, job.rate)
        self.machine.offer(copy, self.now)
        self.decide()

    def decide(self) -> None:
        while (step := self.machine.take(self.now)) is not None:
            if isinstance(step, Start):
                self.flying.append(step.job)
            else:
                self.put_offs.append(step)

    def end(self, host: str, report: Report = WORKS, times: int = 1_000) -> None:
        """End up to so many sends of a host that are in flight now."""
        for job in [job for job in self.flying if job.host == host][:times]:
            self.flying.remove(job)
            self.machine.done(job, replace(report, took_ms=self.now - job.started_ms), self.now)
        self.decide()

    def sent(self) -> Counter[str]:
        return Counter(job.host for job in self.flying)

    def prove(self, host: str, rounds: int = 8) -> None:
        """Let a host answer well until it has its whole limit."""
        for _ in range(rounds):
            self.offer(host, 40)
            self.now += 50
            self.end(host)
        while self.sent()[host]:
            self.now += 50
            self.end(host)

    def open(self, host: str) -> None:
        """Let a host fail until its circuit is open."""
        while not self.machine.open_circuits:
            self.offer(host)
            self.now += 10
            self.end(host, Report("fails"))


def test_within_a_host_the_first_come_goes_first_and_among_hosts_it_goes_round() -> None:
    scene = Scene()
    for host in "aaabbc":
        number = str(next(scene.numbers))
        scene.machine.offer(Job(host, host, (number, "F", "p"), number), scene.now)
    scene.decide()
    assert [job.item for job in scene.flying] == ["a", "b", "c", "a", "b", "a"]


def test_a_host_begins_with_a_few_and_gets_its_whole_limit_when_it_answers() -> None:
    scene = Scene()
    scene.offer("a", 100)
    assert scene.sent()["a"] == 4
    scene.prove("a")
    scene.offer("a", 100)
    assert scene.sent()["a"] == 32


def test_a_host_with_little_traffic_holds_little_when_it_hangs() -> None:
    scene = Scene()
    for _ in range(100):
        scene.offer("a", 2)
        scene.end("a")
    scene.offer("a", 100)
    assert scene.sent()["a"] == 4


@pytest.mark.parametrize("sick", [1, 8, 60, 300])
def test_hosts_that_never_answered_leave_room_for_one_that_does(sick: int) -> None:
    scene = Scene()
    scene.prove("good")
    for number in range(sick):
        scene.offer(f"sick {number}", 100)
    assert scene.machine.in_flight <= 128
    scene.offer("good", 32)
    assert scene.sent()["good"] == 32


@pytest.mark.parametrize("sick", [1, 8, 30])
def test_hosts_that_answered_and_now_hang_leave_room_for_one_that_does(sick: int) -> None:
    scene = Scene()
    for host in ["good", *(f"sick {number}" for number in range(sick))]:
        scene.prove(host)
    for number in range(sick):
        scene.offer(f"sick {number}", 100)
    scene.offer("good", 100)
    for _ in range(50):
        scene.now += 50
        assert scene.sent()["good"] >= 1
        scene.end("good", times=1)


def test_the_requests_of_one_lane_hold_one_place_of_their_host_and_go_in_their_order() -> None:
    scene = Scene()
    scene.offer("a", 100, lane="L")
    scene.offer("a", 3)
    assert [job.lane[0] for job in scene.flying] == ["L", "lead 100", "lead 101", "lead 102"]
    for number in range(100):
        [lane] = [job for job in scene.flying if job.lane[0] == "L"]
        assert lane.item == f"a{number}"
        scene.flying.remove(lane)
        scene.machine.done(lane, WORKS, scene.now)
        scene.decide()
    assert not scene.put_offs


def test_a_lane_that_is_too_long_is_put_off_in_its_order() -> None:
    scene = Scene()
    scene.offer("a", 1_000, lane="L")
    here = 1_000 - len(scene.put_offs)
    assert LEAST_WAITING < here < MOST_WAITING // 4
    assert [step.job.item for step in scene.put_offs] == [f"a{number}" for number in range(here, 1_000)]
    dues = [step.due_ms for step in scene.put_offs]
    assert dues == sorted(set(dues))
    assert dues[0] == scene.now + WAITS_MS[0]


def test_a_host_that_only_fails_is_asked_by_one_request_at_a_time() -> None:
    scene = Scene()
    scene.open("a")
    assert scene.machine.changes()[0].host == "a"
    scene.offer("a", 10)
    assert (scene.sent()["a"], scene.put_offs) == (0, [])
    scene.now = scene.machine.next_ms or 0
    scene.decide()
    assert scene.sent()["a"] == 1
    scene.end("a", Report("fails"))
    assert [step.why for step in scene.put_offs] == ["circuit"] * 9
    assert all(10_000 <= step.due_ms - scene.now <= 12_000 for step in scene.put_offs)
    scene.now += 10_000
    scene.offer("a", 3)
    assert scene.sent()["a"] == 1
    scene.end("a")
    assert scene.sent()["a"] == 2
    assert [change.until_ms for change in scene.machine.changes()] == [None]
    assert not scene.machine.open_circuits


def test_a_put_off_is_for_longer_each_time_in_a_row_and_never_shorter_than_the_circuit() -> None:
    scene = Scene()
    scene.open("a")
    waits = []
    for _ in range(9):  # each probe fails, so the circuit is open for five minutes in the end
        scene.now += 300_000
        scene.offer("a")
        scene.end("a", Report("fails"))
    assert not scene.put_offs
    scene.offer("a")
    for _ in range(4):
        step = scene.put_offs.pop()
        waits.append(step.due_ms - scene.now)
        scene.again(step)
    assert 300_000 <= waits[0] <= 360_000
    assert 300_000 <= waits[1] <= 360_000
    assert all(600_000 <= wait <= 720_000 for wait in waits[2:])


def test_a_throttled_host_is_left_alone_as_long_as_it_asks() -> None:
    scene = Scene()
    scene.prove("a")
    scene.offer("a", 40)
    asked = scene.now + 30_000
    scene.end("a", Report("throttles", 30_000), times=1)
    scene.end("a")
    assert [step.why for step in scene.put_offs] == ["paused"] * 8
    assert all(step.due_ms >= asked for step in scene.put_offs)
    scene.now = asked - 4_000
    scene.offer("a")
    assert scene.machine.next_ms == asked
    scene.now = asked
    scene.decide()
    assert scene.sent()["a"] == 1


def test_what_waited_for_half_a_minute_is_put_off() -> None:
    scene = Scene()
    scene.offer("a", 10)
    assert scene.machine.next_ms == scene.now + MOST_WAIT_MS
    scene.now += MOST_WAIT_MS
    scene.decide()
    assert len(scene.put_offs) == 6
    assert scene.machine.waiting == 0


def test_a_bounded_number_waits_for_a_host() -> None:
    scene = Scene()
    scene.offer("dead", 10_000)
    assert 1_000 < scene.machine.waiting <= MOST_WAITING
    scene.now += 10_000
    for _ in range(RUN):
        scene.end("dead", Report("fails"), times=1)
    scene.decide()
    scene.offer("dead", 10_000)
    assert scene.machine.waiting <= MOST_WAITING
    scene.now += 31_000
    scene.decide()
    scene.offer("dead", 10_000)
    assert scene.machine.waiting <= LEAST_WAITING


def test_while_a_lane_has_put_something_off_nothing_newer_goes_before_it() -> None:
    scene = Scene()
    scene.open("a")
    scene.now += 5_000
    scene.offer("a")
    scene.now += 30_000
    scene.end("a", Report("fails"))  # closed for ten seconds
    scene.offer("a", 1, lane="L")
    [first] = scene.put_offs
    scene.now += 10_000
    scene.offer("a")
    scene.end("a")  # works again, before the first comes back
    scene.offer("a", 1, lane="L")
    second = scene.put_offs[-1]
    assert (second.why, second.due_ms > first.due_ms) == ("lane", True)
    scene.again(first)
    assert scene.flying[-1].item == first.job.item
    scene.again(second)
    assert scene.flying[-1].item == first.job.item
    scene.end("a")
    assert scene.flying[-1].item == second.job.item


def _go_on(scene: Scene, answer: Callable[[int], tuple[int, Report]]) -> Counter[str]:
    """Let the world go on until all that was offered works: what was asked for is sent again after a minute.

    `answer` says of a send at a time how long it takes and what comes of it. Returns the reports by kind.
    """
    to_come: list[tuple[int, int, Callable[[], None]]] = []
    reports: Counter[str] = Counter()

    def later(at: int, what: Callable[[], None]) -> None:
        heappush(to_come, (at, next(scene.numbers), what))

    def end(job: Job[str], report: Report) -> None:
        reports[report.kind] += 1
        scene.machine.done(job, replace(report, took_ms=scene.now - job.started_ms), scene.now)
        if report.kind != "works":
            later(scene.now + 60_000, partial(scene.again, PutOff(job, 0, "queue")))

    while True:
        scene.decide()
        for job in scene.flying:
            duration_ms, report = answer(scene.now)
            later(scene.now + duration_ms, partial(end, job, report))
        for step in scene.put_offs:
            later(step.due_ms, partial(scene.again, step))
        scene.flying.clear()
        scene.put_offs.clear()
        if not to_come and not scene.machine.waiting:
            return reports
        next_ms = scene.machine.next_ms
        if to_come and (next_ms is None or to_come[0][0] <= next_ms):
            scene.now = max(scene.now, to_come[0][0])
            heappop(to_come)[2]()
        else:
            assert next_ms is not None
            scene.now = next_ms


def test_a_backlog_uses_the_whole_rate_of_its_postback() -> None:
    scene = Scene()
    began = scene.now
    scene.offer("a", 3_000, rate=Rate(("F", "p"), 10.0, 1))
    _go_on(scene, lambda now: (50, WORKS))
    assert 299_000 <= scene.now - began <= 330_000


def test_a_backlog_uses_the_whole_speed_of_a_slow_host() -> None:
    scene = Scene(each=8)
    began = scene.now
    scene.offer("a", 6_000)
    _go_on(scene, lambda now: (400, WORKS))
    assert 300_000 <= scene.now - began <= 360_000


def test_a_host_that_throttles_is_sent_to_at_what_it_takes() -> None:
    """It takes ten a second, and says 429 without Retry-After to what is more."""
    scene = Scene()
    taken: Counter[int] = Counter()

    def answer(now: int) -> tuple[int, Report]:
        taken[now // 1_000] += 1
        return 50, WORKS if taken[now // 1_000] <= 10 else Report("throttles")

    began = scene.now
    scene.offer("a", 6_000)
    reports = _go_on(scene, answer)
    assert reports["throttles"] < reports["works"] / 50
    assert scene.now - began < 4 * 600_000


@pytest.mark.parametrize("rate", [None, Rate(("F", "p"), 10.0, 1)])
def test_what_comes_new_stays_behind_a_backlog_unless_nothing_of_it_is_here(rate: Rate | None) -> None:
    scene = Scene(each=4)
    scene.prove("a")
    scene.put_offs.clear()
    scene.offer("a", 3_000, rate=rate)
    put_off = len(scene.put_offs)
    assert put_off > 0
    scene.now += 2_000
    scene.end("a")
    scene.offer("a", rate=rate)
    assert len(scene.put_offs) == put_off + 1
    scene.machine.drop_waiting(scene.now)
    scene.offer("a", rate=rate)
    assert len(scene.put_offs) == put_off + 1


def test_what_stays_behind_one_that_never_comes_back_goes_after_minutes() -> None:
    """The first went to another owner of the partition; its host is well all the time."""
    scene = Scene()
    scene.prove("a")
    scene.offer("a", 2 * MOST_WAITING, lane="L")
    assert scene.put_offs[-1].job.is_first
    while scene.flying:
        scene.now += 50
        scene.end("a")
    scene.offer("a", 1, lane="L")
    began = scene.now
    assert scene.put_offs[-1].why == "lane"
    while (put_off := scene.put_offs[-1]).job.lane[0] == "L" and not scene.flying:
        scene.now = put_off.due_ms
        scene.again(put_off)
    assert [job.lane[0] for job in scene.flying] == ["L"]
    assert scene.now - began < 300_000


def test_a_bounded_number_of_hosts_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 10)
    scene = Scene()
    for number in range(50):
        scene.offer(f"host {number}")
        scene.end(f"host {number}", Report("fails"))
    assert len(scene.machine._hosts) <= 12
    scene.open("dark")
    for number in range(50):
        scene.offer(f"host {number}")
        scene.end(f"host {number}")
    assert scene.machine.open_circuits == 0
    assert [change.until_ms is None for change in scene.machine.changes()] == [False, True]


def test_a_backlog_of_hosts_that_answer_is_crowded_and_not_once_it_is_sent() -> None:
    scene = Scene(total=16, each=32)
    scene.prove("fast")
    scene.offer("fast", 25)
    assert scene.machine.is_crowded(scene.now)
    scene.now += 20
    scene.end("fast")
    assert not scene.machine.is_crowded(scene.now)


@pytest.mark.parametrize("trouble", ["own limit", "hangs", "fails", "throttles"])
def test_a_host_that_is_the_bottleneck_itself_makes_no_crowd(trouble: str) -> None:
    scene = Scene(total=16, each=4 if trouble == "own limit" else 32)
    scene.prove("slow")
    scene.offer("slow", 60)
    scene.now += 20
    if trouble == "hangs":
        scene.now += 3_000
    elif trouble == "fails":
        scene.end("slow", Report("fails"), times=1)
    elif trouble == "throttles":
        scene.end("slow", Report("throttles", wait_ms=4_000), times=1)
    assert scene.machine.waiting > 16
    assert not scene.machine.is_crowded(scene.now)


def test_hosts_that_wait_for_room_get_it_in_turn_whoever_comes_again() -> None:
    scene = Scene(total=1, each=1)
    for host in "abc":
        scene.offer(host, 3)
    begun = []
    for _ in range(9):
        [job] = scene.flying
        begun.append(job.host)
        scene.now += 10
        scene.end(job.host)
        if begun[-1] == "a" and len(begun) < 4:
            scene.offer("a")  # its turn is over all the same
    assert begun == [*"aabcabcab"]


@pytest.mark.parametrize("how", ["hangs", "works", "paused"])
def test_what_waits_at_other_hosts_is_not_looked_through(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: Counter[str] = Counter()
    scene = Scene()
    scene.prove("good")
    others = [f"other {number}" for number in range(1_000)]
    for host in others:
        if how != "hangs":
            scene.offer(host)
            scene.end(host, Report("throttles", 4_000) if how == "paused" else WORKS)
    for host in others:
        scene.offer(host, 2)
    real = Hosts._look

    def look(machine: Hosts[str], host: Host[str], *rest: Any) -> Job[str] | None:
        looked[host.name] += 1
        return real(machine, host, *rest)

    monkeypatch.setattr(Hosts, "_look", look)
    for _ in range(20):
        scene.offer("good")
        scene.end("good")
    assert scene.machine.waiting > 500
    assert looked.total() - looked["good"] <= 20
