"""Who is asking, by what a request carries: never an editor without the editors' token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.limiter import IN_TOTAL, PER_ADDRESS, WINDOW_S, Limiter, whose_of
from app.web.origin import is_foreign, is_loopback, is_loopback_name
from app.web.who import (
    NOBODY,
    SESSION_S,
    Asker,
    Ended,
    Tokens,
    asker_of,
    csrf_token,
    is_csrf_token,
    new_session,
)

EDIT, VIEW = "the-token-that-edits", "view"
TOKENS = Tokens(EDIT, VIEW)
NOW_S = 1_764_000_000.0
COOKIE = new_session("viewer", TOKENS, NOW_S, "5e551071")
any_text = st.text() | st.text(st.sampled_from("viewedtor.0123456789abcf -=")) | st.just(EDIT[:-1])


@pytest.mark.parametrize(
    ("header", "role"),
    [
        (f"Bearer {EDIT}", "editor"),
        (f"bearer  {EDIT} ", "editor"),
        (f"Bearer {VIEW}", "viewer"),
        (f"Bearer {EDIT}x", "nobody"),
        (f"Basic {EDIT}", "nobody"),
        ("Bearer", "nobody"),
        ("Bearer ", "nobody"),
        (EDIT, "nobody"),
        ("", "nobody"),
        (None, "nobody"),
    ],
)
def test_a_bearer_token_says_who_it_is(header: str | None, role: str) -> None:
    assert asker_of(header, None, TOKENS, NOW_S).role == role


@given(header=st.none() | any_text | any_text.map("Bearer {}".format), cookie=st.none() | any_text)
def test_nobody_becomes_an_editor_without_the_token(header: str | None, cookie: str | None) -> None:
    if header is None or EDIT not in header:
        assert asker_of(header, cookie, TOKENS, NOW_S).role != "editor"
        assert asker_of(header, cookie, Tokens("", VIEW), NOW_S).role != "editor"
        assert asker_of(header, cookie, Tokens(), NOW_S) == NOBODY


@given(at=st.integers(0, len(COOKIE) - 1), char=st.characters())
def test_a_session_of_which_one_character_was_changed_is_nobodys(at: int, char: str) -> None:
    changed = COOKIE[:at] + char + COOKIE[at + 1 :]
    assert changed == COOKIE or asker_of(None, changed, TOKENS, NOW_S) == NOBODY


def test_a_session_is_its_own_role_until_it_ends_and_ends_with_its_token() -> None:
    assert asker_of(None, COOKIE, TOKENS, NOW_S) == Asker("viewer", "session", "5e551071", NOW_S + SESSION_S)
    assert asker_of(None, COOKIE, TOKENS, NOW_S + SESSION_S - 1).role == "viewer"
    assert asker_of(None, COOKIE, TOKENS, NOW_S + SESSION_S) == NOBODY
    assert asker_of(None, COOKIE, Tokens(EDIT, "another"), NOW_S) == NOBODY
    assert asker_of(None, COOKIE, Tokens(EDIT, ""), NOW_S) == NOBODY
    assert asker_of(None, COOKIE.replace("viewer", "editor"), TOKENS, NOW_S) == NOBODY
    editor = new_session("editor", TOKENS, NOW_S, "1")
    assert asker_of(None, editor, TOKENS, NOW_S).role == "editor"
    assert asker_of("Bearer wrong", editor, TOKENS, NOW_S) == NOBODY


def test_a_csrf_token_is_good_in_its_own_session_alone() -> None:
    mine, other = (Asker("editor", "session", session_id) for session_id in ("a", "b"))
    token = csrf_token(mine, TOKENS)
    assert is_csrf_token(token, mine, TOKENS)
    assert not is_csrf_token(token, other, TOKENS)
    assert not is_csrf_token(token, Asker("viewer", "session", "a"), TOKENS)
    assert not is_csrf_token(token, mine, Tokens("another token of 16", VIEW))
    for asker in (NOBODY, Asker("editor", "bearer"), Asker("editor", "loopback")):
        assert csrf_token(asker, TOKENS) == ""
        assert not is_csrf_token("", asker, TOKENS)


def test_without_a_token_on_loopback_whoever_asks_is_an_editor() -> None:
    assert asker_of(None, None, Tokens(is_open=True), NOW_S) == Asker("editor", "loopback")


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("worker.example", False)],
)  # fmt: skip
def test_only_loopback_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


@pytest.mark.parametrize(
    ("header", "ours"),
    [("127.0.0.1:8080", True), ("localhost", True), ("[::1]:80", True), ("x.localhost:1", True),
     ("LOCALHOST:8080", True), ("evil.example:8080", False), ("127.0.0.1.evil.example", False),
     ("localhost.evil.example", False), ("", False), (None, False), ("[", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_a_name_that_was_pointed_at_loopback_is_none_of_ours(header: str | None, ours: bool) -> None:
    assert is_loopback_name(header) is ours


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"}, False),
        ({"Origin": "http://h.example:8080"}, False),
        ({"Origin": "http://h.example"}, True),
        ({"Origin": "http://h.example:8080.evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        ({"Origin": "http://["}, True),
    ],
)
def test_what_another_sites_page_sends_is_foreign(headers: dict[str, str], foreign: bool) -> None:
    assert is_foreign({"Host": "h.example:8080", **headers}) is foreign


def test_an_address_may_try_ten_tokens_in_ten_minutes() -> None:
    limiter = Limiter()
    for second in range(PER_ADDRESS):
        assert limiter.wait_s("10.0.0.1", second) == 0
        limiter.failed("10.0.0.1", second)
    assert limiter.wait_s("10.0.0.1", 10) == WINDOW_S - 10
    assert limiter.wait_s("::ffff:10.0.0.1", 10) > 0
    assert limiter.wait_s("10.0.0.2", 10) == 0
    assert limiter.wait_s("10.0.0.1", WINDOW_S) == 0


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 90)), max_size=400))
def test_never_more_than_a_hundred_tries_are_let_through_in_any_ten_minutes(
    tries: list[tuple[int, float]],
) -> None:
    limiter, now_s, let_through = Limiter(), 0.0, []
    for number, later_s in tries:
        now_s += later_s
        if limiter.wait_s(f"10.0.{number // 256}.{number % 256}", now_s) == 0:
            limiter.failed(f"10.0.{number // 256}.{number % 256}", now_s)
            let_through.append(now_s)
        assert sum(at > now_s - WINDOW_S for at in let_through) <= IN_TOTAL


def test_a_network_of_ipv6_is_one_person() -> None:
    assert whose_of("2001:db8:1:2::1") == whose_of("2001:db8:1:2:ffff::9") != whose_of("2001:db8:1:3::1")
    assert whose_of("a/path") == "a/path"


def test_an_ended_session_is_remembered_until_it_would_have_expired_and_no_other_is_taken_for_it() -> None:
    ended = Ended()
    mine, other = (asker_of(None, new_session("viewer", TOKENS, NOW_S, one), TOKENS, NOW_S) for one in "ab")
    assert mine not in ended
    ended.end(mine, NOW_S)
    assert mine in ended
    assert other not in ended
    assert Asker("viewer", "bearer", "a") not in ended
    ended.end(other, NOW_S + SESSION_S)
    assert mine not in ended  # its cookie is refused for its age now
