"""A value is found in whatever way it is written, and nothing else is hidden."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from app.kit.hiding import hide, hide_cut, looks_for, to_hide

_VALUE = 'hush/"ї &plus'
_FORMS = to_hide(frozenset({_VALUE}))


def _hidden(text: str) -> str:
    return hide(text, _FORMS)


@pytest.mark.parametrize("before", ["", "a", "user:", "x" * 7])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_of_base64_each_character_goes_that_the_value_alone_decides(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    written = encode(f"{before}{_VALUE} and more".encode()).decode()
    begin, end = len(before) * 8, len((before + _VALUE).encode()) * 8
    left, right = written[: -(-begin // 6)], written[end // 6 :]
    assert _hidden(f"Basic {written}.") == f"Basic {left}•••{right}."


@pytest.mark.parametrize(
    "written",
    [
        _VALUE.encode().hex(),
        _VALUE.encode().hex().upper(),
        quote(base64.b64encode(_VALUE.encode()).decode(), safe=""),
        json.dumps(_VALUE)[1:-1],
        quote(json.dumps(_VALUE), safe="")[3:-3],
        quote_plus(quote(_VALUE, safe=""), safe=""),
        escape(_VALUE),
    ],
)
def test_a_value_is_hidden_however_it_is_written(written: str) -> None:
    assert _hidden(f"[{written}]").startswith("[•••")
    assert len(_hidden(f"[{written}]")) <= len("[•••==%3D%3D]")


def test_a_value_within_another_goes_with_it() -> None:
    assert hide("abcdefgh-1 abcdefgh", to_hide(frozenset({"abcdefgh", "abcdefgh-1"}))) == "••• •••"


def test_a_short_value_is_looked_for_as_it_is_alone() -> None:
    assert to_hide(frozenset({"abc"})) == ("abc",)
    assert hide("abc YWJj 616263", to_hide(frozenset({"abc"}))) == "••• YWJj 616263"


def test_what_holds_no_value_stays_as_it_is() -> None:
    text = "aHVzaA== hush/ 68757368 %22"
    assert _hidden(text) == text


def test_half_a_value_at_the_end_goes_as_well_in_base64_too() -> None:
    coded = base64.b64encode(f"x:{_VALUE}".encode()).decode()
    assert hide_cut(f"got {coded[:12]}", _FORMS) == "got eDp•••"


_DIGESTS = [sha256(bytes([number])).hexdigest() for number in range(40)]
_STRANGE = str.maketrans("0123456789abcdef", 'ї&%/"é🙂<> \n+漢\\?x')


@pytest.mark.parametrize("value", ["\n".join(_DIGESTS), "".join(_DIGESTS[:16]).translate(_STRANGE)])
def test_a_long_value_is_hidden_whole_and_in_its_parts(value: str) -> None:
    forms = to_hide(frozenset({value}))
    for written in (value, json.dumps(value)[1:-1], quote(value), value.encode().hex()):
        assert hide(f"[{written}]", forms) == "[•••]"
    coded = hide(f"[{base64.b64encode(value.encode()).decode()}]", forms)
    assert len(coded) <= len("[•••A==]")
    cut = hide_cut(f"[{json.dumps(value)[1 : len(value) // 2]}", forms)
    assert len(cut) <= len("[••••••")
    assert hide_cut("x" * 60_000, forms) == "x" * 60_000


def test_a_value_is_found_at_the_end_of_a_text_that_repeats_its_beginning() -> None:
    forms = to_hide(frozenset({"aaaaaaab"}))
    assert hide_cut("aaaaaaaaaaaaaab aaaaaaa", forms).endswith("••• •••")


def test_values_that_overlap_go_both() -> None:
    assert hide("(first-second-third)", to_hide(frozenset({"first-second", "second-third"}))) == "(•••)"


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_as_many_values_as_there_may_be_are_looked_for_in_the_memory_there_is(
    count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    values = frozenset(sha256(str(number).encode()).hexdigest() for number in range(count))
    finds = looks_for(values)
    assert not any(finds(f"{sha256(b'x').hexdigest()} {number}" * 40) for number in range(20))
    assert all(finds(f"x{value}x") for value in values)
    assert capfd.readouterr().err == ""  # re2 says there that it has no memory left
