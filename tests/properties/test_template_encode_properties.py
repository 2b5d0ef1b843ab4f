"""The fast encoders write byte for byte what the slow and plain ones do, alone and many at once."""

from __future__ import annotations

import json
from typing import get_args
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.templates.encode import Place, many_encoder, percent, percent_path

texts = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("!$'()*,+ %&=;\x7f")))


@given(texts)
def test_percent_encoding_is_that_of_urllib(text: str) -> None:
    assert percent(text) == quote(text, safe="")
    assert percent_path(text) == quote(text, safe=":@")


@given(texts)
def test_json_is_that_of_the_standard_library(text: str) -> None:
    (written,) = many_encoder("json-string")([text])
    assert json.loads(f'"{written}"') == text
    assert many_encoder("pair-json-string")([text]) == [quote(written, safe="")]


@pytest.mark.parametrize("place", get_args(Place))
def test_texts_encoded_together_are_as_encoded_alone(place: Place) -> None:
    encode = many_encoder(place)

    @given(st.lists(texts))
    def holds(some: list[str]) -> None:
        assert encode(some) == [encode([text])[0] for text in some]

    holds()


@pytest.mark.parametrize("place", ["path", "pair", "pair-json-string", "pair-json", "raw"])
def test_a_lone_surrogate_is_an_error_never_left_out(place: Place) -> None:
    with pytest.raises(UnicodeEncodeError):
        many_encoder(place)(["a", "b\ud800c"])
