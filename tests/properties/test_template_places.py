"""No value can ever break out of its place.

Templates of a generated grammar are rendered with hostile values in every place, and read back by parsers
that are not ours (urllib, json): they must find exactly the values that were put in, and nothing else.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from app.leads.lead import Lead
from app.templates import encode
from app.templates.encode import Place
from app.templates.facts import Facts
from app.templates.fault import TemplateFault
from app.templates.program import Rendered, compile_template
from app.templates.values import WHITE

HOSTILE = "&=#?%+\"\\{}[]|/.:@;,'<> \t\r\n\0\x1f\x7f\x85\u2028\u2029\ufeff\xa0aZ0_-~éї😀"
CHUNKS = [
    "..",
    "/../",
    "%2e",
    "%41",
    '","x":"',
    "|POST|",
    "{click}",
    "{_url}",
    "\r\n\r\n",
    "&a=b",
    "null",
    "\\u0022",
]
GONE: Any = object()
"""What stands for JSON that is left out."""

Strategy = st.SearchStrategy
texts = st.lists(st.sampled_from([*HOSTILE, *CHUNKS]), max_size=6).map("".join)
numbers = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(texts, numbers, st.booleans(), st.none())
path_literals = st.text("aZ09-~!$&'()*+,;=:@éї😀\"<>\\^`}|", max_size=3)
pair_literals = st.text("aZ09-._~:,;@/?!$'()*éї😀\"<>\\^`}|", max_size=3)
json_literals = st.text(HOSTILE.replace("{", "") + "\b\f", max_size=3)
header_literals = st.text('aZ09 %&=+"\\é/:;}|', max_size=3)


def plain(text: str) -> str:
    return text


def in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(WHITE))


@dataclass
class Case:
    """A template in the making, the values in it, and what must be read back."""

    draw: Callable[[Strategy[Any]], Any]
    omit: bool
    tags: dict[str, Any] = field(default_factory=dict)

    def macro(self, kinds: Strategy[Any] = texts) -> tuple[str, Any]:
        """A macro, perhaps with a filter, and its value; None for a missing one."""
        value, name, filters = self.draw(kinds), f"t{len(self.tags)}", ""
        self.tags[name] = value
        if isinstance(value, str) and self.draw(st.booleans()):
            more = self.draw(texts)
            filters = "|append:" + "".join("\\" + char if char in "\\|}{\r\n" else char for char in more)
            value = value if is_missing(value) else value + more
        written = f"tag.{name}" if self.draw(st.booleans()) else name
        return f"{{{written}{filters}}}", None if is_missing(value) else value

    def text(self, literals: Strategy[str], spell: Callable[[str], str] = plain) -> tuple[str, str, bool]:
        """Macros and literals in a row, what they make, and whether `omit_empty` leaves that out."""
        written = made = ""
        macros, goes = 0, self.omit
        for _ in range(self.draw(st.integers(0, 3))):
            if self.draw(st.booleans()):
                macro, value = self.macro()
                written, made, macros = written + macro, made + (value or ""), macros + 1
                goes = goes and value is None
            else:
                literal = self.draw(literals)
                written, made = written + spell(literal), made + literal
                goes = goes and not spell(literal).strip(WHITE)
        return written, made, goes and macros > 0

    def pairs(self) -> tuple[str, list[tuple[str, Any]]]:
        """A query or form, and its pairs; a list of one is the value that JSON is."""
        written: list[str] = []
        read: list[tuple[str, Any]] = []
        for _ in range(self.draw(st.integers(0, 3))):
            name, name_made, _ = self.text(pair_literals)
            made: Any
            if self.draw(st.integers(0, 3)) == 0:
                value, json_made = self.container(["", " "], 1)
                made = [json_made]
            else:
                value, made, goes = self.text(pair_literals)
                made = GONE if goes else made
            written.append(f"{name}={value}")
            if made is not GONE and (name_made or made):
                read.append((name_made, made))
        return "&".join(written), read

    def container(self, blanks: list[str], depth: int) -> tuple[str, Any]:
        """A JSON object or array, and what it is."""
        is_object = self.draw(st.booleans())
        written: list[str] = []
        kept: list[tuple[str, Any]] = []
        blank = self.draw(st.sampled_from(blanks))
        for index in range(self.draw(st.integers(0, 2))):
            value, made = self.value(blanks, depth + 1)
            key = ""
            if is_object:
                literal = f"{index}{self.draw(json_literals)}"
                macro, key_value = self.macro()
                key = literal + (key_value or "")
                value = f'"{in_json(literal)}{macro}"{blank}:{blank}{value}'
            written.append(value)
            if made is not GONE:
                kept.append((key, made))
        inner = blank + f"{blank},{blank}".join(written) + blank
        if written and not kept and depth > 1:
            return (f"{{{inner}}}" if is_object else f"[{inner}]"), GONE
        if is_object:
            return f"{{{inner}}}", dict(kept)
        return f"[{inner}]", [made for _, made in kept]

    def value(self, blanks: list[str], depth: int) -> tuple[str, Any]:
        """Any JSON value."""
        kind = self.draw(st.sampled_from(["string", "bare", "bare", "literal", "container"]))
        if kind == "container" and depth < 4:
            return self.container(blanks, depth)
        if kind == "string":
            written, made, goes = self.text(json_literals, in_json)
            return f'"{written}"', GONE if goes else made
        if kind == "bare":
            macro, value = self.macro(scalars)
            return macro, GONE if value is None and self.omit else value
        literal = self.draw(st.sampled_from(["0", "-1.50", "1e3", "true", "null", '""', "{}", "[]"]))
        return literal, json.loads(literal)


def same(read: Any, put: Any) -> bool:
    """Whether what a JSON parser read is what was put in; a float is the nearest to its decimals."""
    if isinstance(put, dict):
        return list(read) == list(put) and all(same(read[key], put[key]) for key in put)
    if isinstance(put, list):
        return isinstance(read, list) and len(read) == len(put) and all(map(same, read, put))
    if isinstance(put, float):
        return not isinstance(read, bool) and float(read) == put
    return type(read) is type(put) and bool(read == put)


def rendered(case: Case, template: str, headers: dict[str, str] | None = None) -> Rendered:
    lead = Lead("L", "F", "new", 0, 0, 1, tags=case.tags)
    try:
        return compile_template(template, headers, omit_empty=case.omit).render(Facts(lead, now_ms=0))
    except TemplateFault as fault:
        assume("over the limit" not in fault.reason)
        raise


def link_parts(case: Case, request: Rendered) -> tuple[str, str]:
    link = request.link
    assert isinstance(link, str)
    assert link.isascii()
    assert link.isprintable()
    assert " " not in link
    assert "#" not in link
    assert link.startswith("https://t.example/")
    path, _, query = link.removeprefix("https://t.example").partition("?")
    return path, query


def check_path(case: Case) -> None:
    parts = [case.text(path_literals)[:2] for _ in range(case.draw(st.integers(1, 3)))]
    template = "https://t.example/" + "/".join(written for written, _ in parts)
    segments = [made for _, made in parts]
    if "." in segments or ".." in segments:
        with pytest.raises(TemplateFault):
            rendered(case, template)
        return
    path, query = link_parts(case, rendered(case, template))
    assert query == ""
    assert [unquote(segment, errors="strict") for segment in path[1:].split("/")] == segments


def check_pairs(text: str, pairs: list[tuple[str, Any]]) -> None:
    read = parse_qsl(text, keep_blank_values=True, errors="strict")
    assert len(read) == len(pairs)
    for (name, value), (put_name, put) in zip(read, pairs, strict=True):
        assert name == put_name
        assert same(json.loads(value), put[0]) if isinstance(put, list) else value == put


def check_query(case: Case) -> None:
    written, pairs = case.pairs()
    path, query = link_parts(case, rendered(case, f"https://t.example/p?{written}"))
    assert path == "/p"
    check_pairs(query, pairs)


def check_form(case: Case) -> None:
    written, pairs = case.pairs()
    request = rendered(case, f"https://t.example/p|POST|{written}")
    assert request.link == "https://t.example/p"
    assert isinstance(request.body, str)
    assert request.body.isascii()
    assert request.body.isprintable()
    check_pairs(request.body, pairs)


def check_json(case: Case) -> None:
    written, made = case.container(["", " ", "\n", "\t\r\n"], 1)
    request = rendered(case, f"https://t.example/p|JSON|{written}")
    assert request.link == "https://t.example/p"
    assert isinstance(request.body, str)
    assert same(json.loads(request.body), made)


def check_header(case: Case) -> None:
    written, made, _ = case.text(header_literals)
    request = rendered(case, "https://t.example/p", {"X-A": written})
    assert request.headers == {"X-A": "".join(c for c in made if unicodedata.category(c) != "Cc")}


CHECKS = [check_path, check_query, check_form, check_json, check_header]
PLACES: dict[Place, Callable[[Case], None]] = {
    "path": check_path,
    "pair": check_query,
    "pair-json": check_form,
    "pair-json-string": check_query,
    "json": check_json,
    "json-string": check_json,
    "header": check_header,
}


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_read_back_is_what_was_put_in(check: Callable[[Case], None]) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), st.booleans())
    def holds(data: st.DataObject, omit: bool) -> None:
        check(Case(data.draw, omit))

    holds()


def encoder_off(texts: Sequence[str]) -> list[str]:
    return list(texts)


@pytest.mark.parametrize("place", PLACES)
def test_one_encoder_turned_off_is_noticed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encode._ENCODERS, place, encoder_off)

    @settings(
        max_examples=1000,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data(), st.booleans())
    def holds(data: st.DataObject, omit: bool) -> None:
        PLACES[place](Case(data.draw, omit))

    with pytest.raises((AssertionError, ValueError, TemplateFault)):
        holds()


@given(texts, st.sampled_from(["https://t.example/p/x{_tag.t}x", "https://t.example/p?a={_tag.t}&b=1"]))
def test_a_raw_value_stays_in_the_link_and_keeps_what_may_stand_there(value: str, template: str) -> None:
    case = Case(lambda _: None, omit=False, tags={"t": value})
    before, after = template.split("{_tag.t}")
    kept = "".join(c for c in ("" if is_missing(value) else value) if unicodedata.category(c) != "Cc")
    segments = {unquote(segment) for segment in f"x{kept}x".partition("?")[0].split("/")}
    assume("?" in template or not segments & {".", ".."})  # dot segments are asked for elsewhere
    link = rendered(case, template).link
    link_parts(case, rendered(case, template))
    assert isinstance(link, str)
    raw = link.removeprefix(before).removesuffix(after)
    assert before + raw + after == link
    assert not set('"<>\\^`{|}') & set(raw)
    assert [c for c in raw if c in "&=?/;+@:,!"] == [c for c in kept if c in "&=?/;+@:,!"]


@given(texts)
def test_a_form_takes_a_raw_value_like_a_query(value: str) -> None:
    case = Case(lambda _: None, omit=False, tags={"t": value})
    in_form = rendered(case, "https://t.example/p|POST|a={_tag.t}").body
    assert rendered(case, "https://t.example/p?a={_tag.t}").link == f"https://t.example/p?{in_form}"
