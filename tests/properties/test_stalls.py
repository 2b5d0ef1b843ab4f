"""Whoever works is never called stalled, and whoever stands still always is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.stream.stall import Stalls, Standing

TIMEOUT_S = 120.0
_looks = st.lists(st.tuples(st.integers(1, 119), st.integers(0, 3), st.integers(0, 5)), max_size=40)


@given(_looks)
def test_a_partition_is_called_stalled_only_after_the_timeout_without_progress(
    looks: list[tuple[int, int, int]],
) -> None:
    stalls: Stalls[str] = Stalls(TIMEOUT_S)
    now_s, finished, moved_s = 0, 0, 0
    for step_s, more, lag in looks:
        now_s += step_s
        finished += more
        if more or not lag:
            moved_s = now_s
        stalled = stalls.look(now_s, {"p": Standing(finished, lag)})
        assert not stalled or (lag and now_s - moved_s >= TIMEOUT_S)


@given(_looks)
def test_a_partition_that_stands_still_with_lag_is_called_stalled_in_the_end(
    looks: list[tuple[int, int, int]],
) -> None:
    stalls: Stalls[str] = Stalls(TIMEOUT_S)
    now_s = finished = 0
    for step_s, more, lag in looks:
        now_s += step_s
        finished += more
        stalls.look(now_s, {"p": Standing(finished, lag)})
    stalls.look(now_s, {"p": Standing(finished, 1)})
    assert stalls.look(now_s + TIMEOUT_S, {"p": Standing(finished, 1), "q": Standing(0, 1)}) == ["p"]


def test_what_waits_for_something_begins_anew() -> None:
    stalls: Stalls[str] = Stalls(TIMEOUT_S)
    stalls.look(0, {"p": Standing(1, 1)})
    stalls.look(100, {})
    assert stalls.look(130, {"p": Standing(1, 1)}) == []
    assert stalls.look(250, {"p": Standing(1, 1)}) == ["p"]


def test_the_longest_standstill_is_told_and_ends_with_progress() -> None:
    stalls: Stalls[str] = Stalls(TIMEOUT_S)
    assert stalls.longest_s(0) == 0
    stalls.look(0, {"p": Standing(1, 1), "q": Standing(1, 1)})
    stalls.look(20, {"p": Standing(1, 1), "q": Standing(2, 1)})
    assert stalls.longest_s(50) == 50
    stalls.look(60, {"p": Standing(2, 1), "q": Standing(2, 0)})
    assert stalls.longest_s(65) == 5
