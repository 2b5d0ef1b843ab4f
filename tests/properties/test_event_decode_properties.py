"""Decoding never raises, and the fast and the slow reader never disagree."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.leads import events, instant
from app.leads.events import LeadEvent, Malformed, decode

texts = st.text(
    st.characters(codec=None, exclude_categories=[]) | st.sampled_from(list(' \t\x00"\\[]{}\ud800\u3000')),
    max_size=6,
)
scalars = st.one_of(
    texts,
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
names = st.sampled_from(["id", "ip", "geo", "name", "email", "x"])
parts = st.one_of(values, st.dictionaries(names | texts, values, max_size=4))
fields: dict[str, st.SearchStrategy[Any]] = {
    "event_id": texts | values,
    "lead_id": texts | values,
    "status": st.sampled_from(["new", "wait", "hold", "approve", "cancel", "trash", "sold", "", None])
    | values,
    "occurred_at": st.sampled_from(["2026-11-23", "2026-11-23T15:00:00Z", "soon", " "]) | values,
    "price": st.none() | st.integers() | values,
    "silent": st.booleans() | values,
    **dict.fromkeys(("flow_id", "goal", "uid", "currency", "reason"), texts | values),
    **dict.fromkeys(("click", "customer", "tags", "meta", "extra"), parts),
}
documents = st.fixed_dictionaries({}, optional=fields)


@given(documents, st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_typed_reader_takes_exactly_what_the_slow_one_finds_sound(
    document: dict[str, Any], need_ids: bool
) -> None:
    value = json.dumps(document).encode()
    quick, slow = decode(value, need_ids=need_ids), events._decode_slowly(value, need_ids)
    assert quick == slow


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_event_or_named_malformed(value: bytes) -> None:
    decoded = decode(value)
    assert isinstance(decoded, LeadEvent | Malformed)
    if isinstance(decoded, Malformed):
        assert decoded.reason
        assert str(decoded).isprintable()


@given(documents)
@settings(max_examples=200, deadline=None)
def test_no_text_of_a_decoded_event_is_blank(document: dict[str, Any]) -> None:
    event = decode(json.dumps(document).encode(), need_ids=False)
    if isinstance(event, LeadEvent):
        told: list[object] = [
            event.flow_id,
            event.status,
            event.goal,
            event.uid,
            event.currency,
            event.reason,
        ]
        for part in (event.tags, event.meta):
            told += part.values() if isinstance(part, dict) else []
        assert not any(isinstance(text, str) and not text.strip(" \t\u3000\xa0\x85") for text in told)


@given(
    st.from_regex(
        r"[0-9]{4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{3}Z", fullmatch=True
    )
)
def test_a_time_as_most_write_it_is_read_as_any_other(text: str) -> None:
    assert instant.unix_ms(text) == instant._unix_ms(text)


@given(st.text("0123456789-:.TZ +", min_size=24, max_size=24))
def test_what_only_looks_like_such_a_time_is_read_as_any_other(text: str) -> None:
    text = f"{text[:10]}T{text[11:19]}.{text[20:23]}Z"
    assert instant.unix_ms(text) == instant._unix_ms(text)
