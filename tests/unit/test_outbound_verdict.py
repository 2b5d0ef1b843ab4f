"""What an answer means: the postback's rules, then the table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows.verdict import Verdict, read_verdict
from app.outbound.answers import Answer, Failure, FailureKind
from app.outbound.verdict import judge, retry_after_ms

_NOW_MS = 1_764_000_000_000  # Mon, 24 Nov 2025 16:00:00 GMT


def _answer(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, complete: bool = True
) -> Answer:
    return Answer(status, tuple((headers or {}).items()), body, 1.0, complete)


def _verdict(
    status: int,
    body: bytes = b"",
    rules: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> str:
    return judge(_answer(status, body, headers), _rules(rules or []), _NOW_MS).verdict


def _rules(rules: list[dict[str, Any]]) -> tuple[Verdict, ...]:
    return read_verdict(rules, "verdict")


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        ("ok", [200, 201, 202, 204, 226, 299]),
        ("retry", [408, 425, 500, 501, 502, 503, 504, 520, 599]),
        ("throttle", [429]),
        ("auth", [401]),
        ("final", [300, 301, 302, 304, 307, 308, 399, 400, 402, 403, 404, 405, 409, 410, 413, 422, 451, 499]),
        ("retry", [0, 99, 101, 199, 600, 999]),  # no HTTP status: as a 5xx
    ],
)
def test_without_a_rule_the_table_decides_by_status(verdict: str, statuses: list[int]) -> None:
    assert {status: _verdict(status) for status in statuses} == dict.fromkeys(statuses, verdict)


def test_503_throttles_only_with_a_retry_after_that_can_be_read() -> None:
    assert _verdict(503, headers={"Retry-After": "120"}) == "throttle"
    assert _verdict(503, headers={"Retry-After": "soon"}) == "retry"
    assert _verdict(500, headers={"Retry-After": "120"}) == "retry"
    assert judge(_answer(429, headers={"Retry-After": "120"}), (), _NOW_MS).retry_after_ms == 120_000
    assert judge(_answer(429), (), _NOW_MS).retry_after_ms is None


def test_a_redirect_is_final_and_names_where_it_leads() -> None:
    told = judge(_answer(302, headers={"Location": "https://other.example/x"}), (), _NOW_MS)
    assert (told.verdict, told.rule) == ("final", "default: 3xx")
    assert "https://other.example/x" in told.reason
    assert "without Location" in judge(_answer(302), (), _NOW_MS).reason


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        *((kind, "retry") for kind in ("timeout", "dns", "connect", "tls", "closed", "malformed")),
        *((kind, "retry") for kind in ("incomplete", "unexpected")),
        ("blocked", "blocked"),
        ("unsendable", "final"),
    ],
)
def test_a_failure_keeps_its_own_verdict_whatever_the_rules_say(kind: FailureKind, verdict: str) -> None:
    rules = _rules([{"match": ".*", "then": "ok"}, {"header": "x", "is": None, "then": "ok"}])
    told = judge(Failure(kind, "what happened", 3.0), rules, _NOW_MS)
    assert (told.verdict, told.rule, told.reason) == (verdict, f"default: {kind}", "what happened")


def test_a_2xx_that_breaks_off_in_its_body_is_sent_again() -> None:
    failure = Failure("incomplete", "it broke off", 1.0, _answer(200, b'{"code"', complete=False))
    told = judge(failure, (), _NOW_MS)
    assert told.verdict == "retry"
    assert "status 200" in told.reason
    assert '{"status": "2xx", "then": "ok"}' in told.reason


@pytest.mark.parametrize(
    ("status", "verdict"), [(404, "final"), (301, "final"), (401, "auth"), (429, "throttle")]
)
def test_any_other_status_is_judged_though_its_body_breaks_off(status: int, verdict: str) -> None:
    failure = Failure("timeout", "the body was not complete", 1.0, _answer(status, complete=False))
    assert judge(failure, (), _NOW_MS).verdict == verdict


def test_a_rule_without_the_body_holds_for_an_answer_that_broke_off_and_one_with_it_does_not() -> None:
    failure = Failure("incomplete", "it broke off", 1.0, _answer(200, b"OK", {"X-Ok": "1"}, complete=False))
    assert judge(failure, _rules([{"status": "2xx", "then": "ok"}]), _NOW_MS).verdict == "ok"
    assert judge(failure, _rules([{"header": "x-ok", "is": 1, "then": "ok"}]), _NOW_MS).verdict == "ok"
    assert judge(failure, _rules([{"match": "OK", "then": "final"}]), _NOW_MS).verdict == "retry"


def test_the_first_rule_that_holds_decides_and_is_named() -> None:
    rules = _rules(
        [
            {"status": 500, "then": "final"},
            {"status": "200", "json": "code", "not": 0, "then": "final"},
            {"status": "2xx", "then": "stop"},
        ]
    )
    refused = judge(_answer(200, b'{"code": 7}'), rules, _NOW_MS)
    assert (refused.verdict, refused.rule) == ("final", "verdict[1]")
    assert refused.reason == "status 200, code is 7"
    assert judge(_answer(200, b'{"code": 0}'), rules, _NOW_MS).rule == "verdict[2]"
    assert judge(_answer(500), rules, _NOW_MS).verdict == "final"
    assert judge(_answer(404), rules, _NOW_MS).rule == "default: 4xx"


@pytest.mark.parametrize(
    ("rule", "body", "holds"),
    [
        ({"json": "code", "is": 0}, b'{"code": 0}', True),
        ({"json": "code", "is": 0}, b'{"code": "0"}', True),
        ({"json": "code", "is": 0}, b'{"code": 0.0}', True),
        ({"json": "code", "is": 0}, b'{"code": false}', False),
        ({"json": "code", "is": [1, 2]}, b'{"code": 2}', True),
        ({"json": "code", "is": None}, b'{"code": null}', True),
        ({"json": "code", "is": None}, b"{}", True),
        ({"json": "code", "is": None}, b"not json", True),
        ({"json": "code", "not": 0}, b"{}", False),
        ({"json": "code", "not": 0}, b"not json", False),
        ({"json": "code", "not": 0}, b'{"code": null}', False),
        ({"json": "code", "not": 0}, b'{"code": [0]}', True),
        ({"json": "code", "not": [0, 1]}, b'{"code": 1}', False),
        ({"json": "code"}, b'{"code": 0}', True),
        ({"json": "code"}, b'{"code": {}}', True),
        ({"json": "code"}, b'{"code": null}', False),
        ({"json": "code"}, b"{}", False),
        ({"json": "ok", "is": True}, b'{"ok": true}', True),
        ({"json": "ok", "is": True}, b'{"ok": "true"}', True),
        ({"json": "$.ok", "is": True}, b'\xef\xbb\xbf{"ok": true}', True),
        ({"json": "data.errors[0].code", "is": "x"}, b'{"data": {"errors": [{"code": "x"}]}}', True),
        ({"json": "data.errors[1].code", "is": "x"}, b'{"data": {"errors": [{"code": "x"}]}}', False),
        ({"json": "a.b", "is": 1}, b'{"a": [1]}', False),
        ({"json": "$", "is": "ok"}, b'"ok"', True),
        ({"match": "success"}, b'{"status":"success"}', True),
        ({"match": "^OK$"}, b"OK", True),
        ({"match": "ok"}, b"OK", False),
        ({"match": "\ufffd"}, b"\xff", True),
        ({"json": "a", "is": 1, "match": "b"}, b'{"a": 1, "b": 2}', True),
        ({"json": "a", "is": 1, "match": "c"}, b'{"a": 1, "b": 2}', False),
        ({"json": "n", "not": 1}, b'{"n": 123456789012345678901234567890}', True),
        ({"json": "a", "is": None}, b"[" * 100_000, True),
    ],
)
def test_a_rule_reads_the_body(rule: dict[str, Any], body: bytes, holds: bool) -> None:
    verdict = _verdict(200, body, [{**rule, "then": "stop"}])
    assert (verdict == "stop") is holds


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"header": "X-Result"}, True),
        ({"header": "x-result", "is": "accepted"}, True),
        ({"header": "X-Result", "is": ["no", "accepted"]}, True),
        ({"header": "X-Result", "not": "accepted"}, False),
        ({"header": "X-Code", "is": 7}, True),
        ({"header": "X-None"}, False),
        ({"header": "X-None", "is": None}, True),
        ({"header": "X-None", "not": "a"}, False),
        ({"status": "2xx", "header": "X-Code", "is": 7}, True),
        ({"status": "200", "header": "X-Code", "is": 7}, False),
        ({"status": "201"}, True),
        ({"status": "5xx"}, False),
    ],
)
def test_a_rule_reads_headers_and_status(rule: dict[str, Any], holds: bool) -> None:
    verdict = _verdict(201, b"", [{**rule, "then": "stop"}], {"X-Result": "accepted", "X-Code": "7"})
    assert (verdict == "stop") is holds


def test_a_header_sent_twice_is_read_as_one_list() -> None:
    answer = Answer(200, (("X-A", "1"), ("x-a", "2")), b"", 1.0)
    assert judge(answer, _rules([{"header": "X-A", "is": "1, 2", "then": "stop"}]), _NOW_MS).verdict == "stop"


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [
        ("0", 0),
        ("120", 120_000),
        (" 5 ", 5_000),
        ("0000000000007", 7_000),
        ("Mon, 24 Nov 2025 16:01:00 GMT", 60_000),
        ("Monday, 24-Nov-25 16:01:00 GMT", 60_000),
        ("Mon Nov 24 16:01:00 2025", 60_000),
        ("Mon, 24 Nov 2025 15:00:00 GMT", 0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 99 Nov 2025 16:01:00 GMT", None),
        ("9" * 5000, 9_999_999_999_000),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str | None, wait_ms: int | None) -> None:
    assert retry_after_ms(text, _NOW_MS) == wait_ms


def test_no_pattern_makes_an_answer_run_for_ever() -> None:
    """In a backtracking engine each of these takes minutes and more on such a body."""
    for pattern in ("(a+)+$", r"\s*ok\s*$", ".*a.*a.*a.*b", "(a|aa)+$"):
        body = (b"a" if "a" in pattern else b" ") * 10_000 + b"!"
        assert _verdict(200, body, [{"match": pattern, "then": "stop"}]) == "ok"


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":5,"msg":"caf\xe9"}',
        '{"code":5,"msg":"\u043e\u0448\u0438\u0431\u043a\u0430"}'.encode("cp1251"),
        b'{"code":5,"msg":"\\ud83d"}',
        b'{"code":5,"x":1e999}',
        b'{"code":"\\ud800"}',
        b'{"code":1e999}',
        b'{"code":5,"msg":"a\tb\nc"}',
        b'\xef\xbb\xbf{"code":5}',
    ],
)
def test_a_refusal_in_json_that_is_not_quite_json_is_read_all_the_same(body: bytes) -> None:
    assert _verdict(200, body, [{"status": "200", "json": "code", "not": 0, "then": "final"}]) == "final"


@given(st.binary(max_size=200))
def test_no_body_whatsoever_makes_the_judgement_raise(body: bytes) -> None:
    rules: list[dict[str, Any]] = [
        {"json": "a[0].b", "is": 1, "then": "stop"},
        {"match": "x", "then": "final"},
    ]
    assert _verdict(200, body, rules) in ("ok", "stop", "final")


def test_a_pattern_is_looked_for_in_all_that_was_read() -> None:
    assert _verdict(200, b" " * 60_000 + b"END", [{"match": "END", "then": "stop"}]) == "stop"


@pytest.mark.parametrize(
    ("body", "wait_ms"),
    [
        (b'{"parameters":{"retry_after":7}}', 7_000),
        (b'{"parameters":{"retry_after":0.3}}', 300),
        (b'{"parameters":{"retry_after":"12"}}', 12_000),
        (b'{"parameters":{"retry_after":-1}}', 90_000),
        (b'{"parameters":{"retry_after":NaN}}', 90_000),
        (b'{"parameters":{"retry_after":1e999}}', 90_000),
        (b'{"parameters":{"retry_after":true}}', 90_000),
        (b'{"parameters":{"retry_after":[7]}}', 90_000),
        (b'{"parameters":{}}', 90_000),
        (b"slow down", 90_000),
    ],
)
def test_a_throttle_waits_as_the_body_says_and_else_as_the_header_says(body: bytes, wait_ms: int) -> None:
    rule = {"status": "429", "then": "throttle", "retry_after": "parameters.retry_after"}
    judged = judge(_answer(429, body, {"Retry-After": "90"}), _rules([rule]), _NOW_MS)
    assert (judged.verdict, judged.retry_after_ms) == ("throttle", wait_ms)
    assert judged.reason == f"status 429, asked to wait {wait_ms / 1000:g} s"
