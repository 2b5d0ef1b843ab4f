"""What was attempted is remembered: at any attempt, for five minutes, within bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outbound import memory as module
from app.outbound.memory import KEPT_MS, Attempted, Memory, attempted_in
from app.outbound.retries import dues_of

NOW = 1_764_000_000_000


def attempted(
    request_id: str = "r", attempt: int = 1, outcome: str = "retrying", replay: int = 0
) -> Attempted:
    return Attempted(request_id, replay, attempt, outcome)


def test_an_attempt_that_has_its_row_is_known_and_the_next_is_not() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=2), NOW)
    assert memory.knows("r", 0, 2, NOW)
    assert not memory.knows("r", 0, 3, NOW)
    assert not memory.knows("other", 0, 2, NOW)


def test_an_attempt_before_one_that_has_its_row_is_known() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=3), NOW)
    memory.remember(attempted(attempt=2), NOW)
    assert memory.knows("r", 0, 1, NOW)
    assert memory.knows("r", 0, 3, NOW)
    assert len(memory) == 1


def test_what_was_delivered_is_known_at_any_attempt() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=2, outcome="delivered"), NOW)
    assert all(memory.knows("r", 0, attempt, NOW) for attempt in (1, 2, 3, 8))


def test_a_replay_is_remembered_apart() -> None:
    memory = Memory()
    memory.remember(attempted(outcome="delivered"), NOW)
    assert not memory.knows("r", 1, 1, NOW)


def test_a_row_without_a_sending_is_no_attempt() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=0, outcome="skipped"), NOW)
    assert len(memory) == 0


def test_what_is_older_than_five_minutes_is_forgotten() -> None:
    memory = Memory()
    memory.remember(attempted("old"), NOW)
    memory.remember(attempted("young"), NOW + KEPT_MS)
    assert len(memory) == 2
    memory.remember(attempted("younger"), NOW + KEPT_MS + 1)
    assert not memory.knows("old", 0, 1, NOW + KEPT_MS + 1)
    assert memory.knows("young", 0, 1, NOW + KEPT_MS + 1)


def test_what_is_asked_for_again_and_again_is_not_forgotten() -> None:
    """A worker in a crash loop repeats the same requests for longer than five minutes."""
    memory = Memory()
    memory.remember(attempted("r", outcome="delivered"), NOW)
    for minute in range(1, 20):
        now_ms = NOW + minute * 60_000
        assert memory.knows("r", 0, 1, now_ms)
        memory.remember(attempted(f"other-{minute}"), now_ms)


def test_what_comes_again_is_kept_from_then_on() -> None:
    memory = Memory()
    memory.remember(attempted("a"), NOW)
    memory.remember(attempted("b"), NOW + 1000)
    memory.remember(attempted("a"), NOW + KEPT_MS)
    memory.remember(attempted("c"), NOW + KEPT_MS + 2000)
    assert memory.knows("a", 0, 1, NOW)
    assert not memory.knows("b", 0, 1, NOW)


def test_the_oldest_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    memory = Memory()
    for number in range(25):
        memory.remember(attempted(f"r-{number}"), NOW)
    assert len(memory) == 10
    assert memory.knows("r-24", 0, 1, NOW)
    assert not memory.knows("r-14", 0, 1, NOW)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from(["delivered", "retrying"])),
        min_size=1,
    )
)
def test_within_five_minutes_nothing_is_forgotten(rows: list[tuple[str, int, str]]) -> None:
    memory = Memory()
    for number, (request_id, attempt, outcome) in enumerate(rows):
        memory.remember(attempted(request_id, attempt, outcome), NOW + number)
    for request_id, attempt, outcome in rows:
        assert memory.knows(request_id, 0, attempt, NOW)
        assert outcome == "retrying" or memory.knows(request_id, 0, attempt + 5, NOW)


UNREADABLE = [b"{", b'{"attempt":"one"}', b'{"request_id":"\xff"}', b"[" * 100_000 + b"]" * 100_000]


@pytest.mark.parametrize("bad", UNREADABLE[1:])
def test_a_log_record_that_cannot_be_read_hides_none_of_its_neighbours(bad: bytes) -> None:
    good = msgspec.json.encode(attempted("good"))
    found = list(attempted_in(b"[" + good + b"," + bad + b"," + good + b"]"))
    if bad.startswith(b"["):  # too deep for the envelope to be taken apart
        assert found in ([], [attempted("good")] * 2)
    else:
        assert found == [attempted("good")] * 2


@pytest.mark.parametrize("bad", [*UNREADABLE, None, b"", b"null", b"1"])
def test_an_envelope_that_cannot_be_read_has_no_attempts_and_is_due_at_once(bad: bytes | None) -> None:
    assert list(attempted_in(bad)) == []
    assert dues_of(bad) == []


def test_a_retry_that_cannot_be_read_lets_its_neighbours_wait() -> None:
    assert dues_of(b'[{"due_at":7},{"due_at":"soon"},{"due_at":9},5]') == [7, 0, 9, 0]
