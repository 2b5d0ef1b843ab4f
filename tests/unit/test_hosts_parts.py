"""The parts of the host policy, each by itself; times are milliseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outbound.answers import Answer, Failure, FailureKind
from app.outbound.health import report_of
from app.outbound.hosts import behind as module
from app.outbound.hosts.behind import KEPT_MS, Behind
from app.outbound.hosts.bucket import Bucket
from app.outbound.hosts.circuit import FIRST_MS, MOST_MS, RUN, Circuit
from app.outbound.hosts.job import NOTHING, Job, Rate, Report
from app.outbound.hosts.limit import FIRST, Limit
from app.outbound.hosts.pace import LEAST_PER_S, LIFTED_MS, Pace
from app.outbound.hosts.slots import Slots
from app.outbound.verdict import judge

DAY_MS = 86_400_000


def _answer(status: int, **headers: str) -> Answer:
    return Answer(status, tuple(headers.items()), b"", 5.0)


def _report(outcome: Answer | Failure) -> Report:
    return report_of(outcome, judge(outcome, (), 0), DAY_MS)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (_answer(200), "works"),
        (_answer(302), "works"),
        (_answer(401), "works"),
        (_answer(404), "works"),
        (_answer(500), "errs"),
        (_answer(503), "errs"),
        (_answer(429), "throttles"),
        (_answer(599), "errs"),
    ],
)
def test_an_answer_says_this_of_its_host(outcome: Answer, kind: str) -> None:
    assert _report(outcome).kind == kind


@pytest.mark.parametrize("kind", ["timeout", "dns", "connect", "tls", "closed", "malformed", "incomplete"])
def test_a_send_without_a_whole_answer_says_that_its_host_fails(kind: FailureKind) -> None:
    assert _report(Failure(kind, "so", 5.0)) == Report("fails", None, 5.0)


def test_what_was_never_sent_says_nothing_of_its_host() -> None:
    assert _report(Failure("blocked", "so", 0.0)) == _report(Failure("unsendable", "so", 0.0)) == NOTHING


def test_a_host_is_believed_to_want_no_longer_a_wait_than_the_cap() -> None:
    assert _report(_answer(503, **{"Retry-After": "30"})) == Report("throttles", 30_000, 5.0)
    assert _report(_answer(429, **{"Retry-After": "9999999"})) == Report("throttles", DAY_MS, 5.0)


def test_a_limit_doubles_a_round_until_the_first_trouble_and_then_gains_one() -> None:
    limit = Limit(32)
    rounds = []
    for _ in range(4):
        rounds.append(limit.value)
        for _ in range(limit.value):
            limit.grow()
    assert rounds == [FIRST, 8, 16, 32]
    limit.cut(started_ms=10, now_ms=20)
    assert limit.value == 16
    for _ in range(17):
        limit.grow()
    assert limit.value == 17


def test_what_was_in_flight_together_halves_a_limit_once() -> None:
    limit = Limit(32)
    for _ in range(28):
        limit.grow()
    for started in (5, 6, 7, 100):
        limit.cut(started, now_ms=100)
    assert limit.value == 16
    limit.cut(101, 200)
    assert limit.value == 8


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 32))
def test_a_limit_is_never_under_one_nor_over_its_most(ends: list[bool], most: int) -> None:
    limit = Limit(most)
    for now, good in enumerate(ends, start=1):
        if good:
            limit.grow()
        else:
            limit.cut(now, now)
        assert 1 <= limit.value <= most
        assert 1 <= limit.hoped <= most


def _opened(now: int = 1_000) -> Circuit:
    circuit = Circuit()
    assert [circuit.fail(now, now) for _ in range(RUN)] == [False] * (RUN - 1) + [True]
    return circuit


def test_a_circuit_opens_after_a_run_of_failures_and_not_when_a_good_answer_is_between() -> None:
    circuit = Circuit()
    for _ in range(RUN * 3):
        assert not any(circuit.fail(1, 1) for _ in range(RUN - 1))
        assert not circuit.work()
    assert _opened(1_000).until_ms == 1_000 + FIRST_MS


def test_each_probe_that_fails_doubles_the_wait_up_to_five_minutes() -> None:
    circuit, waits, now = _opened(0), [], 0
    for _ in range(9):
        assert circuit.until_ms is not None
        waits.append(circuit.until_ms - now)
        now = circuit.until_ms
        assert not circuit.fail(started_ms=now, now_ms=now)
    assert waits == [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, MOST_MS, MOST_MS, MOST_MS]
    assert circuit.work()
    assert circuit.until_ms is None
    assert not circuit.fail(now, now)


def test_what_was_in_flight_when_a_circuit_opened_says_nothing_new() -> None:
    circuit = _opened(1_000)
    circuit.fail(started_ms=999, now_ms=5_999)
    assert circuit.until_ms == 6_000


def _throttled(sends_per_s: int) -> Pace:
    """Throttled at 10 s, after ten seconds of so many sends."""
    pace = Pace()
    for second in range(10):
        for send in range(sends_per_s):
            pace.note(second * 1_000 + send * 1_000 // sends_per_s)
    pace.cut(started_ms=9_999, now_ms=10_000)
    return pace


def test_a_throttled_host_gets_half_of_its_rate_which_grows_back_in_half_a_minute() -> None:
    pace = _throttled(40)
    assert pace.per_s(10_000) == 20
    assert pace.per_s(40_000) == pytest.approx(40)
    assert pace.next_ms(10_000) == 10_000 - 25 + 50
    assert pace.per_s(10_000 + LIFTED_MS) is None
    assert pace.next_ms(10_000 + LIFTED_MS) == 10_000 + LIFTED_MS


def test_what_was_in_flight_together_slows_a_host_once() -> None:
    pace = _throttled(40)
    pace.cut(started_ms=9_500, now_ms=10_300)
    assert pace.per_s(10_300) == pytest.approx(20.2)


def test_a_pace_is_never_slower_than_one_in_five_seconds() -> None:
    pace = Pace()
    for now in range(1_000, 20_000, 1_000):
        pace.note(now)
        pace.cut(now, now)
        assert (pace.per_s(now) or 0) >= LEAST_PER_S
    assert pace.next_ms(19_000) - 19_000 <= 5_000


def _rate(per_s: float, version: int = 1) -> Rate:
    return Rate(("F", "p"), per_s, version)


def _taken(bucket: Bucket, at: list[int]) -> int:
    return sum(bucket.take(now) for now in at)


def test_a_bucket_holds_one_second_s_worth_and_begins_with_one() -> None:
    bucket = Bucket(_rate(10), 1.0, 0)
    assert _taken(bucket, [0] * 5) == 1
    assert _taken(bucket, [60_000] * 50) == 10


def test_a_slow_rate_holds_one() -> None:
    bucket = Bucket(_rate(0.1), 0.25, 0)
    assert _taken(bucket, [0, 39_999]) == 1
    assert bucket.ready_ms(0, 39_999) == 40_000
    assert bucket.ready_ms(2, 39_999) == 120_000
    assert _taken(bucket, [40_000, 40_000]) == 1


def test_the_rate_of_the_newest_version_counts() -> None:
    bucket = Bucket(_rate(10, version=5), 0.5, 0)
    bucket.ask(_rate(99, version=4), 0)
    assert bucket.per_s == 5
    bucket.ask(_rate(20, version=6), 0)
    assert bucket.per_s == 10


def test_a_clock_that_goes_back_gives_no_tokens_and_takes_no_time() -> None:
    bucket = Bucket(_rate(10), 1.0, 100_000)
    assert bucket.take(100_000)
    assert bucket.ready_ms(0, 50_000) == 50_100


@given(
    st.floats(0.05, 50),
    st.lists(st.tuples(st.integers(0, 4_000), st.sampled_from([0.25, 0.5, 1.0])), min_size=1, max_size=60),
)
def test_a_bucket_is_never_over_its_rate_and_wastes_none_of_it(
    per_s: float, steps: list[tuple[int, float]]
) -> None:
    bucket, now, due, taken = Bucket(_rate(per_s), 1.0, 0), 0, 1.0, 0
    for wait, share in steps:
        now += wait
        due = min(due + wait / 1_000 * bucket.per_s, bucket.burst)
        while bucket.take(now):
            taken += 1
            due -= 1
            assert due >= -1e-6
        assert due < 1 + 1e-6
        assert bucket.ready_ms(0, now) > now
        bucket.set_share(share, now)
        due = min(due, bucket.burst)


def test_slots_follow_each_other_at_the_speed_and_end_at_the_last() -> None:
    slots = Slots()
    assert [slots.give(1_000, 2_000, 4.0) for _ in range(6)] == [1_000, 1_250, 1_500, 1_750, 2_000, 2_000]
    assert slots.is_behind(1_999)
    assert not slots.is_behind(2_000)
    assert slots.give(60_000, 90_000, 4.0) == 60_000


def _job(name: str, seq: int, *, is_first: bool = True) -> Job[str]:
    return Job(name, "h", ("L", "F", "p"), name, seq=seq, is_first=is_first)


def test_a_first_attempt_stays_behind_what_its_lane_put_off_before() -> None:
    behind = Behind()
    behind.put_off(_job("a", 3), 10_000)
    behind.put_off(_job("b", 5), 20_000)
    assert behind.due_ms(_job("c", 6), 0) == 20_000
    assert behind.due_ms(_job("c", 4), 0) == 10_000
    assert behind.due_ms(_job("c", 3), 0) is None
    assert behind.due_ms(_job("c", 6, is_first=False), 0) is None
    behind.back(_job("b", 5))
    assert behind.due_ms(_job("c", 6), 0) == 10_000


def test_what_should_be_back_long_ago_holds_up_nothing() -> None:
    behind = Behind()
    behind.put_off(_job("a", 3), 10_000)
    assert behind.due_ms(_job("c", 6), 10_000 + KEPT_MS) == 10_000
    assert behind.due_ms(_job("c", 6), 10_001 + KEPT_MS) is None
    assert len(behind) == 0


def test_a_bounded_number_of_put_offs_is_remembered_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    behind = Behind()
    for number in range(30):
        behind.put_off(Job("", "h", (f"L{number}", "F", "p"), f"{number}", seq=1), 10_000)
    assert len(behind) == 10
    held = [behind.due_ms(Job("", "h", (f"L{number}", "F", "p"), "later", seq=2), 0) for number in range(30)]
    assert held == [None] * 20 + [10_000] * 10


def test_of_a_lane_that_puts_off_without_end_only_the_latest_are_looked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_OF_LANE", 3)
    behind = Behind()
    for seq in range(10):
        behind.put_off(_job(f"r{seq}", seq), 1_000 + seq)
        assert len(behind) == min(seq + 1, 3)
    assert behind.due_ms(_job("new", 10), 0) == 1_009
    assert behind.due_ms(_job("r0", 0), 0) is None
    for seq in range(10):
        behind.back(_job(f"r{seq}", seq))
    assert len(behind) == 0
