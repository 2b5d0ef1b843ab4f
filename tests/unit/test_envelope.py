"""An envelope's values: packed within the limits, unpacked whatever one of them holds."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.envelope import MAX_BYTES, MAX_VALUES, UNREADABLE, pack, unpack

_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(_plain.map(lambda value: json.dumps(value).encode()), max_size=100))
def test_what_is_packed_comes_out_in_order_and_within_the_limits(values: list[bytes]) -> None:
    envelopes = list(pack(values))
    assert [bytes(value) for envelope, _ in envelopes for value in unpack(envelope)] == values
    assert all(count <= MAX_VALUES and len(envelope) <= MAX_BYTES for envelope, count in envelopes)


@pytest.mark.parametrize(
    "bad",
    [
        b'"\\ud800"',
        b'{"\\udfff":[{}, "]"]}',
        b'["\\ud83d\\u0041"]',
        b'"\xff\\udc00"',
        b'"\\ud800\xe2\x82\xac"',
    ],
)
def test_a_lone_surrogate_costs_no_other_value(bad: bytes) -> None:
    values = unpack(b" [ 1.50, " + bad + b' ,\n{"a": "\xe2\x82\xac"}, 1e999 ] ')
    assert [bytes(value) for value in values] == [b"1.50", bad, b'{"a": "\xe2\x82\xac"}', b"1e999"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"garbage",
        b'{"a":"\\ud800"}',
        b'["\\ud800"',
        b'["\\ud800",]',
        b'["\\ud800"]]',
        b'["\\ud800" 1]',
        b'["\\x"]',
        b"[" * 100_000,
        b'["\\ud800",' + b"[" * 100_000,
    ],
)
def test_what_is_no_array_is_refused(value: bytes) -> None:
    with pytest.raises(UNREADABLE):
        unpack(value)


@given(st.lists(_plain))
def test_an_array_is_split_where_the_fast_decoder_would(values: list[object]) -> None:
    """With a surrogate behind them, the values are found where they are without it."""
    sound = json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
    expected = [bytes(value) for value in msgspec.json.decode(sound, type=list[msgspec.Raw])]
    more = sound[:-1] + (b"," if values else b"") + b'"\\ud800"]'
    assert [bytes(value) for value in unpack(more)] == [*expected, b'"\\ud800"']
