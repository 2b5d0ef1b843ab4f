"""What follows a send."""

from __future__ import annotations

import pytest

from app.messages.request import Delivery
from app.outbound.policy import (
    TIER_MS,
    Blocked,
    Delivered,
    Failed,
    RetryAt,
    next_step,
    overdue,
    wait_ms,
)
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


@pytest.mark.parametrize("verdict", ["retry", "throttle", "auth", "stop"])
def test_all_but_final_come_back_after_the_tier(verdict: Meaning) -> None:
    step = next_step(request(), _judged(verdict), 1, _NOW)
    assert isinstance(step, RetryAt)
    assert _NOW + TIER_MS <= step.at_ms <= _NOW + TIER_MS * 1.2
    assert step.reason == "status 500"


def test_the_last_attempt_fails_and_says_so() -> None:
    limited = request(delivery=Delivery(max_attempts=3))
    assert isinstance(next_step(limited, _judged("retry"), 2, _NOW), RetryAt)
    assert next_step(limited, _judged("retry"), 3, _NOW) == Failed("attempt 3 of 3 was the last: status 500")


def test_one_attempt_means_no_retry() -> None:
    limited = request(delivery=Delivery(max_attempts=1))
    assert isinstance(next_step(limited, _judged("retry"), 1, _NOW), Failed)


def test_a_retry_that_could_only_come_back_overdue_fails_at_once() -> None:
    short = request(delivery=Delivery(deadline_s=5.0))
    step = next_step(short, _judged("retry"), 1, _NOW)
    assert step == Failed("no retry after attempt 1, past the deadline of 5 s after the event: status 500")


def test_the_deadline_counts_from_the_event_and_includes_its_last_moment() -> None:
    short = request(delivery=Delivery(deadline_s=60.0))
    assert overdue(short, OCCURRED_AT + 60_000) is None
    assert overdue(short, OCCURRED_AT + 60_001) == "past the deadline of 60 s after the event"
    assert overdue(short, OCCURRED_AT - 5_000) is None


def test_a_delivery_after_the_deadline_is_a_delivery() -> None:
    short = request(delivery=Delivery(deadline_s=0.5))
    assert isinstance(next_step(short, _judged("ok"), 1, _NOW), Delivered)


def test_a_wait_is_the_same_for_every_copy_and_differs_between_attempts() -> None:
    assert wait_ms("r-1", 1, 5_000) == wait_ms("r-1", 1, 5_000)
    assert len({wait_ms("r-1", attempt, 3_600_000) for attempt in range(1, 9)}) == 8
