"""What a compiled template tells, its headers, and when two renderings are the same news."""

from __future__ import annotations

from typing import Any

import pytest

from app.leads.lead import Click, Customer, Lead
from app.templates.facts import Facts, value_of
from app.templates.fault import TemplateFault
from app.templates.program import compile_template

LEAD = Lead(
    "L-1", "F-7", "approve", 0, 0, 1, goal="dep", price=12.5, currency="usd", uid=" ",
    click=Click(id="c-9", ip="203.0.113.7", geo="UA"), customer=Customer(name="Olha"),
    tags={"utm_source": "fb", "x": "1", "now": "T"}, meta={"n": 3},
)  # fmt: skip


def facts(lead: Lead = LEAD, **given: Any) -> Facts:
    told: dict[str, Any] = {
        "now_ms": 1_764_000_000_000, "time_ms": 1_763_000_000_000, "event": "approve", "event_id": "e",
        "postback": "fb", "request": "r", "random": "x", "params": {"pixel": "9"},
    }  # fmt: skip
    return Facts(lead, **{**told, **given})


def fingerprint(
    template: str, *, omit_empty: bool = False, headers: dict[str, str] | None = None, **given: Any
) -> bytes:
    return compile_template(template, headers, omit_empty=omit_empty).render(facts(**given)).fingerprint


def test_a_program_tells_where_it_leads_and_what_it_uses() -> None:
    program = compile_template(
        'https://T.Example:8443/{id}?a={_click}&b={secret.k}#{uid}|JSON|[{nope},"{meta.n|round:1}"]',
        {"X": "{geo}"},
    )
    assert (program.scheme, program.host, program.port, program.method) == (
        "https",
        "t.example",
        8443,
        "POST",
    )
    assert program.macros == {"id", "click", "secret.k", "nope", "meta.n", "geo"}
    assert compile_template("http://[::1]/").port is None
    assert compile_template("http://[::1]/").host == "[::1]"


def test_the_implied_content_type_gives_way_to_the_flows_own() -> None:
    made = compile_template("https://t.example/|JSON|1", {"content-TYPE": "application/vnd.x+json"}).render(
        facts()
    )
    assert made.headers == {"content-TYPE": "application/vnd.x+json"}
    made = compile_template("https://t.example/|POST|", {"X": "{uid}"}).render(facts())
    assert made.headers == {"Content-Type": "application/x-www-form-urlencoded", "X": ""}
    assert compile_template("https://t.example/").render(facts()).headers == {}


def test_the_headers_of_two_renderings_are_not_one_dict() -> None:
    program = compile_template("https://t.example/|POST|")
    program.render(facts()).headers["X"] = "changed"
    assert "X" not in program.render(facts()).headers


@pytest.mark.parametrize("name", ["", "X A", "X:", "X\r\n", "Ї", "X-{id}"])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(TemplateFault) as fault:
        compile_template("https://t.example/", {name: "a"})
    assert (fault.value.part, fault.value.at) == ("header", None)


@pytest.mark.parametrize("value", ["{_id}", "{_nope}", "{id|bogus}", "{id|default:{"])
def test_a_header_value_that_cannot_work_is_refused(value: str) -> None:
    with pytest.raises(TemplateFault) as fault:
        compile_template("https://t.example/", {"X": value})
    assert (fault.value.part, fault.value.at) == ("header", None)


def test_a_header_is_not_encoded_and_loses_its_control_characters() -> None:
    program = compile_template("https://t.example/", {"X": "a\t%41{nope}|POST|{meta.n}\x85 "})
    assert program.render(facts()).headers == {"X": "a%41{nope}|POST|3 "}


def test_strict_looks_at_headers_too() -> None:
    program = compile_template("https://t.example/", {"X": "{x}{nope}"})
    with pytest.raises(TemplateFault, match="nope") as fault:
        program.render(facts(), strict=True)
    assert fault.value.part == "header"


def test_a_lone_surrogate_is_a_fault_not_a_crash() -> None:
    with pytest.raises(TemplateFault) as fault:
        compile_template("https://t.example/\ud800")
    assert (fault.value.part, fault.value.at) == ("link", 18)
    with pytest.raises(TemplateFault):
        compile_template("https://t.example/", {"X": "\ud800"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "L-1"), ("click", "c-9"), ("flow", "F-7"), ("status", "approve"), ("stage", "approve"),
        ("event", "approve"), ("goal", "dep"), ("uid", None), ("reason", None), ("price", 12.5),
        ("cash", 12.5), ("currency", "usd"), ("name", "Olha"), ("phone", None), ("ip", "203.0.113.7"),
        ("ua", None), ("geo", "UA"),
        ("utm_source", "fb"), ("adid", None), ("x", "1"), ("y", None), ("meta.n", 3), ("meta.z", None),
        ("tag.x", "1"), ("tag.now", "T"), ("param.pixel", "9"), ("now", 1_764_000_000),
        ("time", 1_763_000_000),
        ("event_id", "e"), ("postback", "fb"), ("request", "r"), ("random", "x"), ("secret.k", None),
    ],
)  # fmt: skip
def test_a_macro_has_the_value_of_the_facts(name: str, value: object) -> None:
    assert value_of(facts(), name) == value


VOLATILE = "{now},{now|ms},{_time},{time|iso|sha256},{random},{request|upper},{event_id}"


def test_two_renderings_that_differ_in_volatile_macros_only_are_the_same() -> None:
    later: dict[str, Any] = {"now_ms": 1, "time_ms": 2, "random": "z", "request": "r2", "event_id": "e2"}
    link = f"https://t.example/{{now}}?a={VOLATILE}"
    for template in (link, f"{link}|POST|a={VOLATILE}", link + '|JSON|[{now},"{time|ms}-{id}"]'):
        for omit_empty in (False, True):
            assert fingerprint(template, omit_empty=omit_empty) == fingerprint(
                template, omit_empty=omit_empty, **later
            )
    headers = {"X": "{now}"}
    assert fingerprint(link, headers=headers) == fingerprint(link, headers=headers, **later)


def test_whether_a_volatile_macro_has_a_value_makes_no_difference() -> None:
    morning: dict[str, Any] = {"now_ms": 0}
    evening: dict[str, Any] = {"now_ms": 20 * 3_600_000}
    hour = "{now|date:%H|map:00=}"
    for template in (
        f"https://t.example/?a={hour}&b=1",
        f"https://t.example/?{{reason}}={hour}&b=1",
        f'https://t.example/|JSON|{{"a":"{hour}","b":{hour},"c":[{hour}]}}',
        f"https://t.example/|POST|a=[{hour}]",
    ):
        for omit_empty in (False, True):
            assert fingerprint(template, omit_empty=omit_empty, **morning) == fingerprint(
                template, omit_empty=omit_empty, **evening
            )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://t.example/?a=1", "https://t.example/?a=2"),
        ("https://t.example/?a=1", "https://t.example/|POST|a=1"),
        ("https://t.example/?a=1", "http://t.example/?a=1"),
        ("https://t.example/|POST|a=1", "https://t.example/|POST|a=2"),
        ("https://t.example/|POST|", "https://t.example/"),
        ("https://t.example/?a={secret.a}", "https://t.example/?a={secret.b}"),
        ("https://t.example/?a={secret.a}", "https://t.example/?a={secret.a|lower}"),
        ("https://t.example/?a={secret.a}", "https://t.example/?a="),
        ("https://t.example/?a={now}", "https://t.example/?a="),
        ("https://t.example/?a={now}&b={id}", "https://t.example/?a={now}&b={click}"),
        ("https://t.example/?a={tag.now}", "https://t.example/?a={now}"),
    ],
)
def test_what_differs_otherwise_is_news(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_a_header_is_part_of_the_news() -> None:
    link = "https://t.example/"
    assert fingerprint(link, headers={"X": "1"}) != fingerprint(link, headers={"X": "2"})
    assert fingerprint(link, headers={"X": "1"}) != fingerprint(link, headers={"Y": "1"})


def test_a_fingerprint_without_volatile_macros_is_that_of_the_rendered_text() -> None:
    assert fingerprint("https://t.example/?a={id}") == fingerprint("https://t.example/?a=L-1")
