"""JSON with macros in it: what is JSON, what each value becomes, what `omit_empty` leaves out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from app.templates.preview import Ask, Refused, Shown, preview


def answer(template: str, *, omit_empty: bool = False, **event: Any) -> Shown | Refused:
    raw = msgspec.Raw(json.dumps({"lead_id": "L", "status": "new", **event}).encode())
    return preview(
        Ask(template=template, event=raw, omit_empty=omit_empty), now_ms=0, random="r", reveal=True
    )


def body(text: str, *, part: str = "JSON", **given: Any) -> str:
    made = answer(f"https://t.example/p|{part}|{text}", **given)
    assert isinstance(made, Shown), made
    assert made.body is not None
    return made.body


def omitted(text: str, **given: Any) -> str:
    return body(text, omit_empty=True, **given)


@pytest.mark.parametrize(
    "text",
    [
        "0", "-0", "-0.0", "1e3", "1E+3", "1.5e-3", "12345678901234567890123", "true", "false", "null", '""',
        '"a"', "[]", "{}", "[ ]", "{ }", "[[],{}]", '{"a":1,"a":2}', '{"":""}',
        '"\\u00e9\\uD83D\\/\\b\\f\\n\\r\\t\\"\\\\"',
        '"\x7f\u2028\ufeff😀"', '{"a" : [ 1 , 2 ] ,\r\n\t"b":null}', "[" * 64 + "]" * 64, '["{"]', '["{1}"]',
        '["|POST|","{ id }"]',
    ],
)  # fmt: skip
def test_json_without_macros_is_sent_as_written(text: str) -> None:
    assert body(f" \r\n{text}\t\n") == text


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("  ", 1, 3),
        ("{", 1, 2),
        ("[1,]", 1, 4),
        ('{"a":1,}', 1, 8),
        ('{"a"}', 1, 5),
        ("{a:1}", 1, 2),
        ("{'a':1}", 1, 2),
        ('{"a":1}x', 1, 8),
        ("1 2", 1, 3),
        ("01", 1, 1),
        ("+1", 1, 1),
        (".5", 1, 1),
        ("[5.]", 1, 2),
        ("[1e]", 1, 2),
        ("[-]", 1, 2),
        ("[NaN]", 1, 2),
        ("[True]", 1, 2),
        ("[nul]", 1, 2),
        ("[truefalse]", 1, 6),
        ('["a]', 1, 2),
        ('["\\x"]', 1, 4),
        ('["\\u12g4"]', 1, 7),
        ('["\t"]', 1, 3),
        ('[\n "a\n"]', 2, 4),
        ("[1 /* c */]", 1, 4),
        ("\u00a0{}", 1, 1),
        ("{}\ufeff", 1, 3),
        ("[1,\r\n\r\n  x]", 3, 3),
        ("[" * 65 + "]" * 65, 1, 65),
        ('[{"a":1{price}}]', 1, 8),
        ("[{id}{uid}]", 1, 6),
        ("[{id} {uid}]", 1, 7),
        ("[-{price}]", 1, 2),
        ("[{price}0]", 1, 9),
        ("[{price}.5]", 1, 9),
        ('[{id}"a"]', 1, 6),
        ('["a"{id}]', 1, 5),
        ("[true{id}]", 1, 6),
        ("{{id}:1}", 1, 2),
        ('{{id}"a":1}', 1, 2),
        ('["\\{id}"]', 1, 4),
        ('["\\u{id}"]', 1, 5),
        ('["\\u00{id}e9"]', 1, 7),
        ("{id},", 1, 5),
        ("{nope}x", 1, 7),
    ],
)
def test_what_is_no_json_is_refused_with_line_and_column(text: str, line: int, column: int) -> None:
    refused = answer(f"https://t.example/p|JSON|{text}")
    assert isinstance(refused, Refused)
    assert refused.error.part == "json"
    assert f"line {line}, column {column}:" in refused.error.reason
    lines = text.split("\n")
    at = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
    assert refused.error.at == len("https://t.example/p|JSON|") + at


def test_values_take_their_types_outside_strings_and_their_text_inside() -> None:
    meta = {"t": 'a"\\\n\x00\x1f\x7f/é\u2028😀', "n": 12.0, "b": True, "z": None, "w": " \u2003"}
    text = "[{meta.t},{meta.n},{meta.b},{meta.z},{meta.w},{meta.none},{nope}]"
    shown = 'a\\"\\\\\\n\\u0000\\u001f\x7f/é\u2028😀'
    assert body(text, meta=meta) == f'["{shown}",12,true,null,null,null,null]'
    assert body('"{meta.t}|{meta.n}|{meta.b}|{meta.z}|{nope}"', meta=meta) == f'"{shown}|12|true||{{nope}}"'


def test_an_unknown_macro_left_in_a_string_is_escaped() -> None:
    assert body('"{nope|default:\\"\\\\\\\\}"') == '"{nope|default:\\\\\\"\\\\\\\\\\\\\\\\}"'


def test_an_unknown_macro_that_is_a_tag_keeps_its_type() -> None:
    assert body("[{x},{y},{e}]", tags={"x": 1.50, "y": True, "e": ""}) == "[1.5,true,null]"


def test_keys_and_values_may_be_one_macro() -> None:
    assert body('{"{goal}":{goal},"a{id}b":"{id}{id}"}', goal='g"') == '{"g\\"":"g\\"","aLb":"LL"}'
    assert body("{id}") == '"L"'
    assert body('"{goal}"') == '""'
    assert body("{goal}") == "null"


def test_json_in_a_pair_is_json_first_and_then_encoded_whole() -> None:
    text = 'd= { "a" : "{goal}&" , "{goal}":[{price},{uid}] } &e=1'
    made = body(text, part="POST", goal='"&\u00e9', price=1.50)
    assert made == (
        "d=%7B%20%22a%22%20%3A%20%22%5C%22%26%C3%A9%26%22%20%2C%20%22%5C%22%26%C3%A9%22%3A%5B1.5%2Cnull%5D%20%7D&e=1"
    )


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ('{ "a" : 1 , "b" : [ 1 , 2 ] }', '{"a":1,"b":[1,2]}'),
        ('{"a":"x y","b": 1.50 }', '{"a":"x y","b":1.50}'),
        ("[{goal}]", "[]"),
        ("[[{goal}]]", "[]"),
        ("[[[{goal}]],1]", "[1]"),
        ('{"a":[{goal},[]]}', '{"a":[[]]}'),
        ('{"a":{},"b":[],"c":{"d":{goal}}}', '{"a":{},"b":[]}'),
        ('{"a":{"b":{"c":"{goal}"}},"z":{id}}', '{"z":"L"}'),
        (
            '{"a":"{goal} {uid}","b":"{goal}\\u0020","c":"{goal}\\n","d":"{goal}\u00a0"}',
            '{"b":"\\u0020","c":"\\n"}',
        ),
        ('{"a":" {id} "}', '{"a":" L "}'),
        ('{"a":"-{goal}"}', '{"a":"-"}'),
        ('{"{goal}":{goal},"{goal}x":1}', '{"x":1}'),
        ('[{goal|default:null},{goal|default:"0"},{goal|default:}]', '[null,"0"]'),
        ('[{nope},"{nope}"]', '["{nope}"]'),
        ("[{id},{goal},{id},{goal},{goal},{id}]", '["L","L","L"]'),
        ('[{goal},1,2,{goal},{"a" : 3},{goal}]', '[1,2,{"a":3}]'),
        ("{goal}", "null"),
        ('"{goal}"', '""'),
        ('[null,"",{},[]]', '[null,"",{},[]]'),
    ],
)
def test_omit_empty_leaves_out_what_is_missing_and_what_that_emptied(text: str, sent: str) -> None:
    assert omitted(text) == sent


def test_omit_empty_in_a_form_leaves_out_pairs_and_members() -> None:
    text = "a={goal}&b={goal}{uid}&c=&d=x{goal}&e={goal} &{goal}=1&f={ goal }&g=[{goal}]&h={nope}"
    text += "&i={goal} {uid}&j"
    assert omitted(text, part="POST") == "c=&d=x&=1&f=%7B%20goal%20%7D&g=%5B%5D&h=%7Bnope%7D&j"
    assert (
        omitted('d={ "a" : {goal} , "b" : [ {id} , {goal} ] }', part="POST")
        == "d=%7B%22b%22%3A%5B%22L%22%5D%7D"
    )
    assert omitted("a={goal}", part="POST") == ""


def test_omit_empty_keeps_zero_false_and_a_tag_that_is_unknown_text() -> None:
    event = {"price": 0, "meta": {"f": False}, "tags": {"t": None}}
    assert omitted("[{price},{meta.f},{t},{meta.g}]", **event) == "[0,false]"


def test_omit_empty_drops_a_query_that_has_nothing_left() -> None:
    made = answer("https://t.example/p?a={goal}&b={uid}", omit_empty=True)
    assert isinstance(made, Shown)
    assert made.url == "https://t.example/p"
