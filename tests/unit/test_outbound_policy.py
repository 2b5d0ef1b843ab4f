"""What follows a send."""

from __future__ import annotations

import pytest
from msgspec import structs

from app.messages.request import Delivery, Request
from app.outbound.policy import (
    LAST_CHANCE_MS,
    Blocked,
    Delivered,
    Exhausted,
    Failed,
    RetryAt,
    next_step,
    overdue,
    put_off,
)
from app.outbound.schedule import WAITS_S, wait_ms
from app.outbound.verdict import Judgement, Meaning
from tests.outbound import OCCURRED_AT, request

_NOW = OCCURRED_AT + 1_000


def _judged(verdict: Meaning) -> Judgement:
    return Judgement(verdict, "default: x", "status 500")


def test_ok_is_delivered() -> None:
    assert next_step(request(), _judged("ok"), 1, _NOW) == Delivered("status 500")


def test_blocked_is_the_end() -> None:
    assert next_step(request(), _judged("blocked"), 1, _NOW) == Blocked("status 500")


def test_final_is_the_end() -> None:
    assert next_step(request(), _judged("final"), 1, _NOW) == Failed("status 500")


def _wait_ms(tried: Request, judged: Judgement, attempt: int, **cap: int) -> int:
    step = next_step(tried, judged, attempt, _NOW, **cap)
    assert isinstance(step, RetryAt)
    assert step.reason == "status 500"
    return step.at_ms - _NOW


@pytest.mark.parametrize("verdict", ["retry", "auth", "stop"])
def test_retry_auth_and_stop_come_back_by_the_schedule(verdict: Meaning) -> None:
    for attempt, wait_s in enumerate(WAITS_S, 1):
        waited = _wait_ms(request(), _judged(verdict), attempt)
        assert wait_s * 800 <= waited <= wait_s * 1200
        assert waited == wait_ms("r-1", attempt)


def test_a_postbacks_own_waits_replace_the_schedule_and_the_last_one_repeats() -> None:
    own = request(delivery=Delivery(max_attempts=100, waits_s=(60, 1.5)))
    assert 48_000 <= _wait_ms(own, _judged("retry"), 1) <= 72_000
    for attempt in (2, 3, 99):
        assert 1_200 <= _wait_ms(own, _judged("retry"), attempt) <= 1_800


def test_throttle_comes_back_when_the_receiver_asked_or_later_within_a_cap() -> None:
    for asked_ms, waited_ms in ((90_000, 90_000), (7_200_000, 600_000)):
        judged = Judgement("throttle", "default: 429", "status 500", asked_ms)
        assert _wait_ms(request(), judged, 1, retry_after_max_ms=600_000) == waited_ms
    for asked_ms in (0, 1_000):
        judged = Judgement("throttle", "default: 429", "status 500", asked_ms)
        assert _wait_ms(request(), judged, 1) == wait_ms("r-1", 1)
        assert _wait_ms(request(), judged, 3) == wait_ms("r-1", 3)


def test_throttle_without_a_time_waits_a_minute_at_least() -> None:
    assert _wait_ms(request(), _judged("throttle"), 1) == 60_000
    assert _wait_ms(request(), _judged("throttle"), 2) == wait_ms("r-1", 2)


def test_only_throttle_minds_what_the_receiver_asked() -> None:
    judged = Judgement("retry", "default: 500", "status 500", 90_000)
    assert _wait_ms(request(), judged, 1) == wait_ms("r-1", 1)


def test_the_last_attempt_fails_and_says_so() -> None:
    limited = request(delivery=Delivery(max_attempts=3))
    assert isinstance(next_step(limited, _judged("retry"), 2, _NOW), RetryAt)
    assert next_step(limited, _judged("retry"), 3, _NOW) == Exhausted(
        "attempts", "attempt 3 of 3 was the last: status 500"
    )


def test_one_attempt_means_no_retry() -> None:
    limited = request(delivery=Delivery(max_attempts=1))
    assert isinstance(next_step(limited, _judged("retry"), 1, _NOW), Exhausted)


def test_a_retry_that_could_only_come_back_overdue_fails_at_once() -> None:
    short = request(delivery=Delivery(deadline_s=4.0))
    step = next_step(short, _judged("retry"), 1, _NOW)
    assert step == Exhausted(
        "deadline", "no retry after attempt 1, past the deadline of 4 s after the event: status 500"
    )


def test_the_deadline_counts_from_the_event_and_includes_its_last_moment() -> None:
    short = request(delivery=Delivery(deadline_s=60.0))
    assert overdue(short, OCCURRED_AT + 60_000) is None
    assert overdue(short, OCCURRED_AT + 60_001) == "past the deadline of 60 s after the event"
    assert overdue(short, OCCURRED_AT - 5_000) is None


def test_a_delivery_after_the_deadline_is_a_delivery() -> None:
    short = request(delivery=Delivery(deadline_s=0.5))
    assert isinstance(next_step(short, _judged("ok"), 1, _NOW), Delivered)


def test_a_put_off_ends_shortly_before_the_deadline_where_it_would_end_after_it() -> None:
    short = request(delivery=Delivery(deadline_s=300.0))
    last = OCCURRED_AT + 300_000 - LAST_CHANCE_MS
    assert put_off(short, last, _NOW).due_at == last
    assert put_off(short, last + 1, _NOW).due_at == last
    assert put_off(short, _NOW + 600_000, _NOW).due_at == last
    assert put_off(short, _NOW + 600_000, last).due_at == _NOW + 600_000
    assert put_off(request(), _NOW + 600_000, _NOW).due_at == _NOW + 600_000
    again = structs.replace(short, replay=1, ignore_deadline=True)
    assert put_off(again, _NOW + 600_000, _NOW).due_at == _NOW + 600_000


def test_a_put_off_is_counted_and_is_no_attempt() -> None:
    twice = put_off(put_off(request(attempts=2), _NOW, _NOW), _NOW, _NOW)
    assert (twice.put_offs, twice.attempts) == (2, 2)
