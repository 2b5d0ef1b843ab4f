"""When answers park a postback, and which requests a parked one keeps."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.request import Request
from app.messages.state import PostbackState, decode_state, key_of, parked_key, postback_of
from app.outbound.answers import Answer, Failure
from app.outbound.parking import AUTH_IN_A_ROW, KnownState, Refusals, kept_instead, why_kept
from app.outbound.policy import Exhausted, Failed, Parked, RetryAt
from app.outbound.verdict import Meaning
from tests.outbound import request

FB = ("F-7", "fb")
PARKED = PostbackState("parked", "status 401", 1_795_532_400_123, "w1")
ACTIVE = PostbackState("active", "released", 1_795_532_400_123, "olha")


def released_from(offset: int) -> Request:
    return msgspec.structs.replace(request(), released=offset)


ANSWER = Answer(401, (), b"", 1.0)
NO_ANSWER = Failure("timeout", "no answer within 10 s", 10_000.0)
OUTDATED = Failure("token", "the access token is outdated", 1.0, ANSWER)


def judged(refusals: Refusals, *verdicts: Meaning, parked: bool = False) -> list[bool]:
    """Which of the verdicts, each an answer, parks the postback."""
    return [refusals.why_parked(FB, v, ANSWER, parked=parked) is not None for v in verdicts]


def refused(refusals: Refusals, *outcomes: Answer | Failure) -> list[bool]:
    """Which of the outcomes, each judged `auth`, parks the postback."""
    return [refusals.why_parked(FB, "auth", one, parked=False) is not None for one in outcomes]


def test_three_refusals_in_a_row_park() -> None:
    assert judged(Refusals(), "auth", "auth", "auth") == [False, False, True]


@pytest.mark.parametrize("between", ["ok", "retry", "throttle", "final"])
def test_another_answer_between_begins_the_count_anew(between: Meaning) -> None:
    verdicts: list[Meaning] = ["auth", "auth", between, "auth", "auth", "auth"]
    assert judged(Refusals(), *verdicts) == [False] * 5 + [True]


@pytest.mark.parametrize("verdict", ["retry", "final", "blocked"])
def test_what_is_no_answer_neither_counts_nor_begins_anew(verdict: Meaning) -> None:
    refusals = Refusals()
    judged(refusals, "auth", "auth")
    assert refusals.why_parked(FB, verdict, NO_ANSWER, parked=False) is None
    assert judged(refusals, "auth") == [True]


def test_an_outdated_token_neither_counts_nor_begins_anew() -> None:
    refusals = Refusals()
    judged(refusals, "auth", "auth")
    assert refusals.why_parked(FB, "retry", OUTDATED, parked=False) is None
    assert judged(refusals, "auth") == [True]


def with_token(number: int) -> Answer:
    return Answer(401, (), b"", 1.0, refusal=number)


def without_token(number: int) -> Failure:
    return Failure("credential", "invalid_grant", 1.0, refusal=number)


@pytest.mark.parametrize("kind", [with_token, without_token])
def test_a_token_that_is_refused_counts_once_however_many_requests_it_was_for(
    kind: Callable[[int], Answer | Failure],
) -> None:
    refusals = Refusals()
    many = [kind(number) for number in (1, 2) for _ in range(20)]
    assert refused(refusals, *many) == [False] * 40
    assert refused(refusals, kind(3)) == [True]


def test_stop_parks_at_once() -> None:
    assert judged(Refusals(), "stop") == [True]


def test_each_postback_has_its_own_count() -> None:
    refusals = Refusals()
    judged(refusals, "auth", "auth")
    assert refusals.why_parked(("F-7", "tg"), "auth", ANSWER, parked=False) is None
    assert refusals.why_parked(("F-8", "fb"), "auth", ANSWER, parked=False) is None


def test_after_it_was_parked_three_refusals_are_wanted_again() -> None:
    refusals = Refusals()
    judged(refusals, "auth", "auth", "auth")
    assert judged(refusals, "auth", "auth", "auth") == [False, False, True]


def test_a_refusal_while_parked_parks_at_once() -> None:
    assert judged(Refusals(), "auth", parked=True) == [True]


def test_where_a_postback_is_parked_what_would_come_again_is_kept_and_what_has_ended_is_not() -> None:
    assert kept_instead(RetryAt(5, "status 401"), "status 401") == Parked("status 401")
    assert kept_instead(Exhausted("deadline", "no retry, past …"), "status 401") == Parked("status 401")
    last = Exhausted("attempts", "attempt 8 of 8 was the last: status 401")
    assert kept_instead(last, "status 401") == last
    assert kept_instead(Failed("status 404"), "status 404") == Failed("status 404")


answers = st.sampled_from(["auth", "ok", "retry", "throttle", "final"])


@given(st.lists(answers))
def test_it_is_parked_exactly_by_each_third_refusal_of_an_unbroken_row(verdicts: list[Meaning]) -> None:
    row, wanted = 0, []
    for verdict in verdicts:
        row = row + 1 if verdict == "auth" else 0
        wanted.append(row > 0 and row % AUTH_IN_A_ROW == 0)
    assert judged(Refusals(), *verdicts) == wanted


def test_a_parked_postback_keeps_its_requests_and_says_since_when_and_why() -> None:
    assert why_kept(request(), KnownState(PARKED, 4)) == "parked since 2026-11-24T15:00:00Z by w1: status 401"
    assert why_kept(request(), KnownState(ACTIVE, 5)) is None
    assert why_kept(request(), None) is None


def test_a_state_since_a_year_that_no_calendar_has_is_told_too() -> None:
    state = PostbackState("parked", "", 2**53, "w1")
    assert state.told() == "parked since 9007199254740992 ms by w1"


def test_a_released_request_is_sent_until_its_postback_is_parked_anew() -> None:
    assert why_kept(released_from(4), KnownState(PARKED, 4)) is None
    assert why_kept(released_from(4), KnownState(PARKED, 3)) is None  # the newest is not read yet
    assert why_kept(released_from(4), KnownState(ACTIVE, 5)) is None
    assert why_kept(released_from(4), KnownState(PARKED, 6)) is not None


@given(st.text(), st.text(), st.text(), st.text())
def test_no_two_postbacks_share_a_key(flow: str, postback: str, other_flow: str, other: str) -> None:
    assert postback_of(key_of(flow, postback)) == (flow, postback)
    assert (key_of(flow, postback) == key_of(other_flow, other)) == ((flow, postback) == (other_flow, other))


@pytest.mark.parametrize("key", ["", "F-7", '["F-7"]', '["F-7","fb",1]', "[1,2]"])
def test_what_is_no_key_of_ours_names_no_postback(key: str) -> None:
    assert postback_of(key) is None


def test_a_replay_is_kept_apart_from_its_original() -> None:
    assert parked_key(request()) == b"r-1"
    assert parked_key(msgspec.structs.replace(request(), replay=2)) == b"r-1.2"


@pytest.mark.parametrize("value", [b"", b"{}", b'{"state":"off","why":"","since":1,"by":""}', b"[" * 5000])
def test_a_state_that_cannot_be_read_is_none(value: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError, RecursionError)):
        decode_state(value)
