"""What is said of a template once it is filled in for a lead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.leads.events import LeadEvent, decode
from app.leads.fold import preview_lead
from app.templates.facts import Facts
from app.templates.lint_values import empty_macros, lint_values

_HASH = "ab" * 32


def said(template: str, headers: dict[str, str] | None = None, **fields: Any) -> list[str]:
    event = decode(json.dumps({"status": "approve", **fields}).encode(), need_ids=False)
    assert isinstance(event, LeadEvent)
    facts = Facts(preview_lead(event), now_ms=1_795_446_000_000)
    empty = empty_macros(template, headers or {}, facts)
    return [*empty.values(), *lint_values(template, headers or {}, facts)]


@pytest.mark.parametrize(
    ("query", "fields", "words"),
    [
        ("g={gclid}", {}, ["{gclid} has no value for this lead, g at 22", "{gclid|default:…}"]),
        ("n={phone|number}", {"customer": {"phone": "n/a"}}, ["{phone|number} has no value"]),
        ("h={tag.h|sha256}", {"tags": {"h": _HASH}}, ["hashes what is a hash already", "|sha256 out"]),
        ("email_hash={tag.h}", {"tags": {"h": "a@b.example"}}, ["email_hash at 31 wants a hash"]),
        ("event_time={meta.t}", {"meta": {"t": 1_795_446_000_123}}, ["wants seconds", "{meta.t|mul:0.001}"]),
        ("at_ms={tag.t}", {"tags": {"t": "1795446000"}}, ["wants milliseconds", "{tag.t|mul:1000}"]),
        ("c={click}", {"click": {"id": "a%2Fb"}}, ["percent-encoded already", "(a/b)", "{_click}"]),
    ],
)
def test_a_value_that_the_receiver_cannot_use_is_named(
    query: str, fields: dict[str, Any], words: list[str]
) -> None:
    (warning,) = said(f"https://t.example/p?{query}", **fields)
    for word in words:
        assert word in warning


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("https://t.example/p?g={gclid|default:}-", {"tags": {"gclid": "x"}}),
        ("https://t.example/p?h={tag.h}&hash={tag.h}", {"tags": {"h": _HASH}}),
        ("https://t.example/p?hash={email|trim|lower|sha256}", {"customer": {"email": "A@b.example"}}),
        (
            "https://t.example/p?event_time={meta.t}&x_ms={tag.n}",
            {"meta": {"t": 1_795_446_000}, "tags": {"n": "12"}},
        ),
        ("https://t.example/p?event_time={time|iso|default:x}", {}),
        ("https://t.example/p?u={url}", {"click": {"url": "https://a.example/?b=%2F"}}),
        ("https://t.example/p?c={click}&d={_click}", {"click": {"id": "100%"}}),
        ('https://t.example/p|JSON|{"c":"{click}"}', {"click": {"id": "a%2Fb"}}),
        ("https://t.example/p?s={secret.k}&u={unheard_of}", {}),
    ],
)
def test_a_value_that_is_sound_is_not(template: str, fields: dict[str, Any]) -> None:
    assert said(template, **fields) == []


def test_headers_are_looked_at_too() -> None:
    (warning,) = said("https://t.example/", {"X-Click": "{click}"})
    assert "header X-Click" in warning
