"""Lead events: what is taken, what is refused, and the path and words of a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from app.leads.events import Click, LeadEvent, Malformed, decode, is_blank
from app.leads.malformed import MAX_BYTES

CONTRACT: dict[str, Any] = {
    "event_id": "01JD",
    "lead_id": "L-1001",
    "flow_id": "F-7",
    "status": "new",
    "occurred_at": "2026-11-23T15:00:00.123Z",
    "goal": None,
    "price": 12.5,
    "currency": "usd",
    "reason": None,
    "uid": "A-55",
    "click": {"id": "c-9", "ip": "203.0.113.7", "ua": "Mozilla/5.0 …", "geo": "UA", "lang": "uk"},
    "tags": {"utm_source": "fb", "adid": 7, "vip": True, "none": None},
    "customer": {"name": "Olha", "phone": "+38", "email": "o@example.com", "comment": "…"},
    "meta": {"text": "a", "whole": 3, "part": 0.5, "flag": False},
}

KNOWN_STATUSES = "known are new, wait, hold, approve, cancel, trash"


def encoded(**changes: Any) -> bytes:
    """The contract's event with changes; a change to `...` takes the key out."""
    return json.dumps({k: v for k, v in {**CONTRACT, **changes}.items() if v is not ...}).encode()


def event_of(value: bytes, **options: Any) -> LeadEvent:
    event = decode(value, **options)
    assert isinstance(event, LeadEvent), event
    return event


def fault_of(value: bytes | None, **options: Any) -> Malformed:
    fault = decode(value, **options)
    assert isinstance(fault, Malformed), fault
    return fault


def test_the_event_of_the_contract_is_read_with_its_types() -> None:
    event = event_of(encoded())
    assert (event.event_id, event.lead_id, event.flow_id, event.status) == ("01JD", "L-1001", "F-7", "new")
    assert event.occurred_ms() == 1_795_446_000_123
    assert event.tags == {"utm_source": "fb", "adid": 7, "vip": True, "none": None}
    assert event.meta == {"text": "a", "whole": 3, "part": 0.5, "flag": False}
    assert isinstance(event.click, Click)
    assert event.click.url is UNSET
    assert event.silent is False


def test_absent_and_null_are_told_apart() -> None:
    event = event_of(encoded(goal=None, uid=..., click=None, meta=...))
    assert (event.goal, event.uid, event.click, event.meta) == (None, UNSET, None, UNSET)


def test_wait_is_read_as_new() -> None:
    assert event_of(encoded(status="wait")).status == "new"


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u3000\u00a0", "\u2028"])
def test_a_blank_text_counts_as_missing(blank: str) -> None:
    event = event_of(
        encoded(
            status=blank,
            flow_id=blank,
            goal=blank,
            uid=blank,
            occurred_at=blank,
            click={"ip": blank},
            customer={"name": blank},
            tags={"a": blank},
            meta={"b": blank},
        )
    )
    assert (event.status, event.flow_id, event.goal, event.uid) == (None, None, None, None)
    assert event.occurred_ms() is None
    assert event.click == Click(ip=None)
    assert (event.tags, event.meta) == ({"a": None}, {"b": None})
    assert str(fault_of(encoded(event_id=blank))) == "event_id: missing"


def test_separators_and_invisible_characters_are_no_white_space() -> None:
    assert not is_blank("\x1c")
    assert not is_blank("\u200b")
    assert not is_blank("\ufeff")
    assert is_blank("\x85")


def test_null_flow_status_and_silent_are_absent() -> None:
    event = event_of(encoded(flow_id=None, status=None, silent=None))
    assert (event.flow_id, event.status, event.silent) == (None, None, False)


def test_unknown_keys_are_ignored_wherever_they_stand() -> None:
    event = event_of(encoded(version=2, extra={"a": [1, {"b": None}]}, click={"id": "c", "os": ["x"]}))
    assert event.click == Click(id="c")


def test_of_equal_keys_the_last_counts_even_after_a_wrong_one() -> None:
    event = event_of(b'{"event_id":"a","lead_id":1,"click":5,"click":{"ip":"1"},"lead_id":"b"}')
    assert (event.lead_id, event.click) == ("b", Click(ip="1"))
    assert fault_of(b'{"event_id":"a","lead_id":"b","uid":"x","uid":7}').path == "uid"


def test_a_nul_that_is_escaped_is_a_character() -> None:
    assert event_of(encoded(click={"id": "a\x00b"})).click == Click(id="a\x00b")


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1, 1e21, 5e-324, -0.0, 9007199254740993])
def test_numbers_keep_their_value_and_type(number: float) -> None:
    event = event_of(encoded(price=number, meta={"n": number}, tags={"n": number}))
    for found in (event.price, event.meta["n"], event.tags["n"]):  # type: ignore[index]
        assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"event_id": ...}, "event_id: missing"),
        ({"lead_id": ...}, "lead_id: missing"),
        ({"lead_id": None}, "lead_id: missing"),
        ({"lead_id": 7}, "lead_id: expected a text, got a number"),
        (
            {"status": "sold"},
            'status: unknown status "sold"; known are new, wait, hold, approve, cancel, trash',
        ),
        (
            {"status": "New"},
            'status: unknown status "New"; known are new, wait, hold, approve, cancel, trash',
        ),
        ({"status": 1}, "status: expected a text, got a number"),
        ({"flow_id": ["F"]}, "flow_id: expected a text, got an array"),
        ({"goal": 5}, "goal: expected a text, got a number"),
        ({"price": "12.5"}, "price: expected a number, got a text"),
        ({"price": True}, "price: expected a number, got a boolean"),
        ({"price": {}}, "price: expected a number, got an object"),
        ({"price": 2**64}, "price: an integer outside -2^63 … 2^64-1"),
        ({"silent": "true"}, "silent: expected true or false, got a text"),
        ({"silent": 1}, "silent: expected true or false, got a number"),
        ({"click": "c-1"}, "click: expected an object, got a text"),
        ({"click": []}, "click: expected an object, got an array"),
        ({"click": {"ip": 5}}, "click.ip: expected a text, got a number"),
        ({"click": {"ip": True}}, "click.ip: expected a text, got a boolean"),
        ({"customer": {"phone": 380501234567}}, "customer.phone: expected a text, got a number"),
        ({"tags": {"a": [1]}}, "tags.a: expected a text, a number, a boolean or null, got an array"),
        ({"tags": "a=b"}, "tags: expected an object, got a text"),
        ({"meta": {"a b": {}}}, 'meta["a b"]: expected a text, a number, a boolean or null, got an object'),
        ({"meta": {"a": 2**64}}, "meta.a: an integer outside -2^63 … 2^64-1"),
        ({"meta": {"a": -(2**63) - 1}}, "meta.a: an integer outside -2^63 … 2^64-1"),
        ({"meta": {"a": 10**6000}}, "meta.a: an integer outside -2^63 … 2^64-1"),
        ({"uid": "a\ud800"}, "uid: a lone surrogate, \\ud800"),
        ({"event_id": "\udc00"}, "event_id: a lone surrogate, \\udc00"),
        ({"tags": {"\ud800": 1}}, 'tags["\\ud800"]: a lone surrogate, \\ud800'),
        ({"note": {"x": [1, "\ud800"]}}, "note.x[1]: a lone surrogate, \\ud800"),
        ({"note": 10**30}, "note: an integer outside -2^63 … 2^64-1"),
        ({"occurred_at": 1764000000}, "occurred_at: expected a text, got a number"),
        (
            {"occurred_at": "yesterday"},
            'occurred_at: expected a time such as 2026-11-23T15:00:00.123Z (ISO 8601), got "yesterday"',
        ),
    ],
)
def test_a_wrong_field_is_named_by_its_path_and_why(changes: dict[str, Any], said: str) -> None:
    assert str(fault_of(_dumped(changes))) == said


def _dumped(changes: dict[str, Any]) -> bytes:
    import sys

    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return encoded(**changes)
    finally:
        sys.set_int_max_str_digits(limit)


def test_the_first_wrong_field_in_document_order_is_named() -> None:
    assert fault_of(b'{"meta":{"a":1e999},"click":{"ip":5},"price":"x"}').path == "meta.a"
    assert fault_of(b'{"price":"x","meta":{"a":[]},"lead_id":"l"}').path == "price"
    assert fault_of(b'{"customer":{"name":"a","email":1,"phone":2},"status":"sold"}').path == "customer.email"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no value"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"event", "not JSON"),
        (b'{"event_id":"a\x00","lead_id":"b"}', "not JSON"),
        (b'{"event_id":"a\n","lead_id":"b"}', "not JSON"),
        (b'{"event_id":"a","lead_id":"b"} x', "not JSON"),
        (b'{"event_id":"a","lead_id":"b","price":NaN}', "NaN"),
        (b'{"event_id":"a","lead_id":"b","extra":-Infinity}', "Infinity"),
        (b'{"event_id":"a","lead_id":"b","price":1e999}', "price: an infinite number"),
        (b'{"event_id":"a","lead_id":"b","extra":-1e999}', "extra: an infinite number"),
        (b'{"event_id":"a","lead_id":"b","price":01}', "not JSON"),
        (b'\xef\xbb\xbf{"event_id":"a","lead_id":"b"}', "not JSON"),
        (b'{"event_id":"\xff","lead_id":"b"}', "not UTF-8: byte 13 (0xff)"),
        (b'{"event_id":"a","lead_id":"b","extra":"\xed\xa0\x80"}', "not UTF-8"),
        (b"[]", "expected an object, got an array"),
        (b"null", "expected an object, got null"),
        (b'"a"', "expected an object, got a text"),
        (b"[" * 200_000, "nested deeper than 64"),
        (b'{"event_id":"a","lead_id":"b","x":' + b"[" * 70 + b"]" * 70 + b"}", "nested deeper than 64"),
        (b'{"a":' * 30_000, "nested deeper than 64"),
        (b'{"x":"' + b'\\"' * 100_000 + b"[" * 70, "not JSON"),
    ],
)
def test_what_is_no_event_at_all_is_refused_with_its_reason(value: bytes | None, said: str) -> None:
    assert said in str(fault_of(value))


def test_brackets_in_texts_are_no_depth() -> None:
    text = "[{" * 1000 + '"\\'
    assert event_of(encoded(uid=text)).uid == text
    assert isinstance(event_of(encoded(x=json.loads("[" * 63 + "]" * 63))), LeadEvent)


def test_an_event_of_256_kib_is_taken_and_one_byte_more_is_not() -> None:
    head, tail = b'{"event_id":"a","lead_id":"b","uid":"', b'"}'
    whole = head + b"x" * (MAX_BYTES - len(head) - len(tail)) + tail
    assert isinstance(decode(whole), LeadEvent)
    assert str(fault_of(whole + b" ")) == "262145 bytes, over the limit of 262144"


def test_in_a_preview_ids_and_status_may_be_missing_but_not_wrong() -> None:
    event = event_of(b'{"price":1,"event_id":null,"lead_id":" "}', need_ids=False)
    assert (event.event_id, event.lead_id, event.status) == ("", "", None)
    assert fault_of(b'{"event_id":5}', need_ids=False).path == "event_id"
    assert fault_of(b'{"status":"sold"}', need_ids=False).path == "status"


def test_a_fault_quotes_no_more_than_a_line_of_the_event() -> None:
    fault = fault_of(encoded(status="x" * 100_000, meta={"k" * 5000: []}))
    assert len(str(fault)) < 250
    assert len(str(fault_of(encoded(meta={"k\n" * 5000: []})))) < 250
    assert "\n" not in str(fault_of(encoded(meta={"k\n": []})))
