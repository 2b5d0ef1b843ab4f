"""The default waits, and the hops of a wait through the tiers."""

from __future__ import annotations

import pytest

from app.outbound.schedule import WAITS_S, Ladder, is_early, wait_ms
from app.topics import topics_of

_S = 1_000
_M = 60 * _S
_H = 60 * _M
_NOW = 1_764_000_000_000

LADDER = Ladder(topics_of("p", 4, 7, ("5s", "1m", "10m", "1h", "6h")).retries)


def _tier(remaining_ms: int) -> str:
    return LADDER.tier_for(remaining_ms).topic.name


def test_the_waits_are_those_that_webhooks_have() -> None:
    assert list(WAITS_S) == [5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600]


def test_a_wait_is_the_same_for_every_copy_and_differs_between_attempts() -> None:
    assert wait_ms("r-1", 1) == wait_ms("r-1", 1)
    assert len({wait_ms("r-1", attempt, [3_600]) for attempt in range(1, 9)}) == 8


def test_past_the_end_of_the_schedule_the_last_wait_repeats() -> None:
    for attempt in (7, 8, 500):
        assert 8 * _H <= wait_ms("r-1", attempt) <= 12 * _H
        assert 1_600 <= wait_ms("r-1", attempt, [30, 2]) <= 2_400


@pytest.mark.parametrize(
    ("remaining_ms", "tier"),
    [
        (-1, "5s"),
        (1, "5s"),
        (54_999, "5s"),
        (55_000, "1m"),
        (10 * _M - 5_001, "1m"),
        (10 * _M - 5_000, "10m"),
        (_H, "1h"),
        (6 * _H - 6_000, "1h"),
        (6 * _H, "6h"),
        (720 * _H, "6h"),
    ],
)
def test_the_next_hop_is_the_largest_tier_that_the_wait_fills(remaining_ms: int, tier: str) -> None:
    assert _tier(remaining_ms) == f"p.postback-retries.{tier}"


def test_a_head_moves_on_when_all_its_values_are_due() -> None:
    assert LADDER.leaves_at(5 * _S, _NOW, _NOW + 3_000, _NOW) == _NOW + 3_000


def test_a_head_whose_wait_is_longer_than_the_tier_moves_on_after_the_tiers_delay() -> None:
    assert LADDER.leaves_at(_M, _NOW, _NOW + _H, _NOW) == _NOW + _M


def test_a_head_that_is_due_within_the_slack_stays_for_it_instead_of_one_more_hop() -> None:
    assert LADDER.leaves_at(5 * _S, _NOW, _NOW + 6_000, _NOW) == _NOW + 6_000
    assert LADDER.leaves_at(5 * _S, _NOW, _NOW + 6_001, _NOW) == _NOW + 5_000
    assert LADDER.leaves_at(_H, _NOW, _NOW + _H + 5_000, _NOW) == _NOW + _H + 5_000
    assert LADDER.leaves_at(_H, _NOW, _NOW + _H + 5_001, _NOW) == _NOW + _H


def test_a_head_written_by_a_clock_that_jumped_ahead_is_written_anew_at_once() -> None:
    assert LADDER.leaves_at(5 * _S, _NOW + 24 * _H, _NOW + 25 * _H, _NOW) == _NOW
    assert LADDER.leaves_at(5 * _S, _NOW + 999, _NOW + 25 * _H, _NOW) == _NOW + 5_999


def test_a_head_with_no_value_that_can_be_read_moves_on_at_once() -> None:
    assert LADDER.leaves_at(6 * _H, _NOW, 0, _NOW) <= _NOW


def test_a_request_that_is_due_with_its_event_never_waits_whatever_its_producers_clock_says() -> None:
    assert not is_early(_NOW + _H, _NOW + _H, _NOW)
    assert is_early(_NOW + _H, _NOW, _NOW)
    assert not is_early(_NOW, _NOW - _H, _NOW)


def test_a_retry_that_comes_back_to_a_worker_whose_clock_is_a_little_behind_does_not_wait_again() -> None:
    assert not is_early(_NOW + 250, _NOW - _H, _NOW)
    assert is_early(_NOW + 251, _NOW - _H, _NOW)
