"""The row of a send."""

from __future__ import annotations

import msgspec
import pytest

from app.flows.verdict import Verdict
from app.kit.secrets import Secrets
from app.messages.erasure import Erasure
from app.messages.record import Address, LogRecord
from app.messages.request import Delivery, Tags
from app.outbound.answers import STORED_BYTES, Answer, Failure
from app.outbound.attempt import Rows, cap
from app.outbound.policy import next_step
from app.outbound.verdict import judge
from tests.outbound import OCCURRED_AT, ORIGIN, request

_ROWS = Rows("postbacks.postback-requests", "worker-1", Secrets({}))
_SOURCE = Address(3, 4_711, 2)


def _row(outcome: Answer | Failure, **changes: object) -> LogRecord:
    sent = msgspec.structs.replace(request("https://t.example/a?b=1"), **changes)
    told = judge(outcome, sent.delivery.verdict, OCCURRED_AT + 2_000)
    return _ROWS.attempt(
        sent,
        _SOURCE,
        outcome,
        told,
        next_step(sent, told, sent.attempts + 1, OCCURRED_AT + 2_000),
        attempt_id="random",
        started_ms=OCCURRED_AT + 1_250,
        ended_ms=OCCURRED_AT + 2_000,
    )


def test_a_delivery_fills_its_row() -> None:
    origin = msgspec.structs.replace(
        ORIGIN,
        lead_flow_id="F-7",
        click_id="c-9",
        price=12.5,
        currency="usd",
        geo="UA",
        tags=Tags(utm_source="fb"),
    )
    headers = (("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"))
    row = _row(Answer(200, headers, b"OK \xff", 12.34567), origin=origin, attempts=2, replay=1)
    assert row == LogRecord(
        logged_at=OCCURRED_AT + 2_000,
        requested_at=OCCURRED_AT + 250,
        outcome="delivered",
        attempt_id="random",
        source=_SOURCE,
        source_topic="postbacks.postback-requests",
        reason="status 200",
        request_id="r-1",
        attempt=3,
        attempts=3,
        replay=1,
        event_id="e-1",
        lead_id="L-1",
        lead_seq=3,
        lead_flow_id="F-7",
        click_id="c-9",
        flow_id="F-7",
        flow_version=12,
        postback_id="fb",
        event="approve",
        verdict="ok",
        rule="default: 2xx",
        method="GET",
        host="t.example",
        url="https://t.example/a?b=1",
        response_status=200,
        response_headers={"Content-Type": "text/plain", "Set-Cookie": "a=1, b=2"},
        response_body="OK \ufffd",
        duration_ms=12.346,
        queued_ms=1_000.0,
        price=12.5,
        currency="usd",
        geo="UA",
        tags=Tags(utm_source="fb"),
        worker="worker-1",
    )


def test_a_retry_names_its_time_and_a_failure_has_none() -> None:
    retrying = _row(Failure("timeout", "no answer within 10 s", 10_000.0))
    assert (retrying.outcome, retrying.verdict, retrying.error) == (
        "retrying",
        "retry",
        "no answer within 10 s",
    )
    assert retrying.next_attempt_at is not None
    assert retrying.next_attempt_at >= OCCURRED_AT + 7_000
    assert retrying.response_status is None
    last = _row(Failure("timeout", "no answer within 10 s", 10_000.0), delivery=Delivery(max_attempts=1))
    assert (last.outcome, last.next_attempt_at) == ("failed", None)
    assert last.reason == "attempt 1 of 1 was the last: no answer within 10 s"


def test_a_refused_address_is_blocked() -> None:
    row = _row(Failure("blocked", "address 10.0.0.1 is not allowed (private)", 0.1))
    assert (row.outcome, row.reason) == ("blocked", "address 10.0.0.1 is not allowed (private)")


def test_what_was_read_before_a_failure_is_in_the_row() -> None:
    row = _row(Failure("incomplete", "it broke off", 3.0, Answer(200, (("A", "b"),), b"half", 3.0, False)))
    assert (row.response_status, row.response_headers, row.response_body) == (200, {"A": "b"}, "half")
    assert (row.outcome, row.error) == ("retrying", "it broke off")


def test_a_redirect_names_location_without_its_tokens() -> None:
    row = _row(Answer(302, (("Location", "https://t.example/in?token=abc&x=1"),), b"", 1.0))
    assert (
        row.reason == "status 302: redirects are not followed; Location: https://t.example/in?token=•••&x=1"
    )
    assert row.response_headers == {"Location": "https://t.example/in?token=•••&x=1"}
    assert row.outcome == "failed"


@pytest.mark.parametrize("before", [b"", b"x" * 290, b"x" * 2_040])
def test_a_secret_in_what_a_rule_names_is_masked_before_the_reason_is_cut(before: bytes) -> None:
    secrets = Secrets({"POSTBACKS_SECRET_FB": "hush-hush-hush"})
    secrets("fb")
    rules = (Verdict("final", json="error"),)
    sent = request("https://t.example/", delivery=Delivery(verdict=rules))
    told = judge(Answer(200, (), b'{"error":"' + before + b'hush-hush-hush"}', 1.0), rules, OCCURRED_AT)
    row = Rows("t", "w", secrets).attempt(
        sent,
        _SOURCE,
        Answer(200, (), b"", 1.0),
        told,
        next_step(sent, told, 1, OCCURRED_AT),
        attempt_id="random",
        started_ms=OCCURRED_AT,
        ended_ms=OCCURRED_AT,
    )
    assert row.reason.startswith("status 200, error is ")
    assert "hush" not in row.reason


def test_bodies_and_headers_are_capped_at_16_kib_of_utf_8() -> None:
    headers = tuple((f"X-{n}", "é" * 3_000) for n in range(20))
    row = _row(Answer(200, headers, "漢".encode() * 20_000, 1.0), body="ж" * 200_000, method="POST")
    assert STORED_BYTES - 3 < len(row.response_body.encode()) <= STORED_BYTES
    assert set(row.response_body) == {"漢"}
    assert STORED_BYTES - 3 < len(row.request_body.encode()) <= STORED_BYTES
    size = sum(len(name) + len(value.encode()) for name, value in row.response_headers.items())
    assert STORED_BYTES - 3 < size <= STORED_BYTES


def test_a_row_can_always_be_written_as_json() -> None:
    said = Answer(200, (("X", "\ufffd\x00"),), b"\xed\xa0\x80\x00\xff", 1.0)
    assert b"\\u0000" in msgspec.json.encode(_row(said))


def test_a_request_that_is_not_sent_has_a_row_that_is_the_same_each_time() -> None:
    waiting = request("https://t.example/a?key=k", attempts=2)
    first = _ROWS.unsent(waiting, _SOURCE, "failed", "past the deadline", now_ms=OCCURRED_AT)
    again = _ROWS.unsent(waiting, _SOURCE, "failed", "past the deadline", now_ms=OCCURRED_AT + 9)
    assert first.attempt_id == again.attempt_id != ""
    assert (first.outcome, first.attempt, first.attempts, first.reason) == (
        "failed",
        0,
        2,
        "past the deadline",
    )
    assert first.url == "https://t.example/a?key=•••"
    assert (first.duration_ms, first.queued_ms, first.response_status) == (None, None, None)
    elsewhere = _ROWS.unsent(waiting, Address(3, 4_711, 1), "failed", "", now_ms=OCCURRED_AT)
    assert elsewhere.attempt_id != first.attempt_id


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [("abc", 3, "abc"), ("abc", 2, "ab"), ("aé", 2, "a"), ("", 0, ""), ("🙂", 3, "")],
)
def test_a_text_is_cut_at_a_character(text: str, limit: int, kept: str) -> None:
    assert cap(text, limit) == kept


def test_the_row_of_an_erased_lead_names_it_and_its_request_and_tells_nothing_else() -> None:
    origin = msgspec.structs.replace(ORIGIN, click_id="c-9", price=12.5, geo="UA", tags=Tags(subid="s-1"))
    sent = msgspec.structs.replace(request("https://t.example/?phone=380"), origin=origin, attempts=2)
    row = _ROWS.erased(sent, _SOURCE, now_ms=OCCURRED_AT)
    assert (row.outcome, row.reason, row.lead_id) == ("discarded", "erased: its lead was", origin.lead_id)
    assert not any(
        (row.url, row.host, row.click_id, row.price, row.geo, row.request_body, row.request_headers)
    )
    assert row.tags == Tags()
    erasure = Erasure(origin.lead_id, origin.requested_at)
    assert erasure.covers(sent)
    newer = msgspec.structs.replace(origin, requested_at=origin.requested_at + 1)
    assert not erasure.covers(msgspec.structs.replace(sent, origin=newer))
