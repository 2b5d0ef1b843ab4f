"""What was attempted is remembered: at any attempt, for five minutes, within bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from app.outbound import memory as module
from app.outbound.memory import KEPT_MS, Attempted, Memory, Waiting, attempted_in, waiting_in
from app.outbound.retries import dues_of
from tests.outbound import request

NOW = 1_764_000_000_000


def knows(memory: Memory, request_id: str, replay: int, attempt: int, now_ms: int, put_offs: int = 0) -> bool:
    sent = structs.replace(
        request(request_id=request_id), replay=replay, attempts=attempt - 1, put_offs=put_offs
    )
    return memory.knows(sent, now_ms)


def attempted(
    request_id: str = "r", attempt: int = 1, outcome: str = "retrying", replay: int = 0
) -> Attempted:
    return Attempted(request_id, replay, attempt, outcome)


def test_an_attempt_that_has_its_row_is_known_and_the_next_is_not() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=2), NOW)
    assert knows(memory, "r", 0, 2, NOW)
    assert not knows(memory, "r", 0, 3, NOW)
    assert not knows(memory, "other", 0, 2, NOW)


def test_an_attempt_before_one_that_has_its_row_is_known() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=3), NOW)
    memory.remember(attempted(attempt=2), NOW)
    assert knows(memory, "r", 0, 1, NOW)
    assert knows(memory, "r", 0, 3, NOW)
    assert len(memory) == 1


def test_what_was_delivered_is_known_at_any_attempt() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=2, outcome="delivered"), NOW)
    assert all(knows(memory, "r", 0, attempt, NOW) for attempt in (1, 2, 3, 8))


def test_only_a_delivery_says_that_a_request_is_delivered() -> None:
    memory = Memory()
    memory.remember(attempted("a", attempt=3, outcome="parked"), NOW)
    memory.remember(attempted("b", attempt=1, outcome="delivered"), NOW)
    assert not memory.is_delivered(request(request_id="a"), NOW)
    assert memory.is_delivered(request(request_id="b"), NOW)


def test_a_replay_is_remembered_apart() -> None:
    memory = Memory()
    memory.remember(attempted(outcome="delivered"), NOW)
    assert not knows(memory, "r", 1, 1, NOW)


def test_a_row_without_a_sending_is_no_attempt() -> None:
    memory = Memory()
    memory.remember(attempted(attempt=0, outcome="skipped"), NOW)
    assert len(memory) == 0


def test_what_is_older_than_ten_minutes_is_forgotten() -> None:
    memory = Memory()
    memory.remember(attempted("old"), NOW)
    memory.remember(attempted("young"), NOW + KEPT_MS)
    assert len(memory) == 2
    memory.remember(attempted("younger"), NOW + 2 * KEPT_MS)
    assert not knows(memory, "old", 0, 1, NOW + 2 * KEPT_MS)
    assert knows(memory, "young", 0, 1, NOW + 2 * KEPT_MS)


def test_what_is_asked_for_again_and_again_is_not_forgotten() -> None:
    """A worker in a crash loop repeats the same requests for longer than five minutes."""
    memory = Memory()
    memory.remember(attempted("r", outcome="delivered"), NOW)
    for minute in range(1, 20):
        now_ms = NOW + minute * 60_000
        assert knows(memory, "r", 0, 1, now_ms)
        memory.remember(attempted(f"other-{minute}"), now_ms)


def test_what_comes_again_is_kept_from_then_on() -> None:
    memory = Memory()
    memory.remember(attempted("a"), NOW)
    memory.remember(attempted("b"), NOW + 1000)
    memory.remember(attempted("a"), NOW + KEPT_MS)
    memory.remember(attempted("c"), NOW + 2 * KEPT_MS)
    assert knows(memory, "a", 0, 1, NOW + 2 * KEPT_MS)
    assert not knows(memory, "b", 0, 1, NOW + 2 * KEPT_MS)


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ATTEMPTS", 10)
    memory = Memory()
    for number in range(25):
        memory.remember(attempted(f"r-{number}"), NOW)
        assert len(memory) <= 10
    assert all(knows(memory, f"r-{number}", 0, 1, NOW) for number in (20, 24))
    assert not knows(memory, "r-14", 0, 1, NOW)


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
        assert knows(memory, request_id, 0, attempt, NOW)
        assert outcome == "retrying" or knows(memory, request_id, 0, attempt + 5, NOW)


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


def test_what_was_put_off_is_known_and_its_copy_is_not() -> None:
    memory = Memory()
    memory.remember_put_off(Waiting("r", attempts=1, put_offs=2), NOW)
    assert knows(memory, "r", 0, 2, NOW, put_offs=0)
    assert knows(memory, "r", 0, 2, NOW, put_offs=1)
    assert not knows(memory, "r", 0, 2, NOW, put_offs=2)
    assert not knows(memory, "r", 0, 1, NOW, put_offs=1), "an attempt without its row is made again"
    assert not knows(memory, "r", 1, 2, NOW, put_offs=0), "a replay is remembered apart"


def test_a_retry_that_waits_is_no_put_off() -> None:
    memory = Memory()
    memory.remember_put_off(Waiting("r", attempts=1), NOW)
    assert len(memory) == 0


def test_put_offs_are_read_from_a_tier_though_other_values_cannot_be() -> None:
    copy = msgspec.json.encode(structs.replace(request(request_id="r-9"), attempts=3, put_offs=4))
    found = list(waiting_in(b"[" + copy + b',{"request_id":1},[]]'))
    assert found == [Waiting("r-9", 0, 3, 4)]
