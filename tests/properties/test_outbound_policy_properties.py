"""For every request and judgement: waits within bounds, and an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.messages.request import Delivery
from app.outbound.policy import Exhausted, RetryAt, next_step, overdue
from app.outbound.verdict import Judgement
from tests.outbound import OCCURRED_AT, request


@given(
    st.integers(1, 30),
    st.floats(0.001, 500_000),
    st.sampled_from(["retry", "throttle", "auth", "stop"]),
    st.text(max_size=9),
)
def test_what_always_fails_ends_within_its_attempts_and_its_deadline(
    most: int, deadline_s: float, verdict: str, request_id: str
) -> None:
    told = Judgement(verdict, "", "")  # type: ignore[arg-type]
    tried = request(delivery=Delivery(max_attempts=most, deadline_s=deadline_s), request_id=request_id)
    now_ms, attempt = OCCURRED_AT, 1
    while isinstance(step := next_step(tried, told, attempt, now_ms), RetryAt):
        assert step.at_ms >= now_ms + 4_000
        assert overdue(tried, step.at_ms) is None
        now_ms, attempt = step.at_ms, attempt + 1
    assert isinstance(step, Exhausted)
    assert attempt <= most
