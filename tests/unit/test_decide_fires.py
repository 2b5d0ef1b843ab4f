"""Which flow serves a change, what fires, and the reason for whatever does not."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from app.flows.config import Flow, parse
from app.flows.decide import Fire, Skip, decide, remember_sent, request_id, unchanged
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, fold
from app.leads.lead import Lead, Sent

T0 = 1_795_446_000_000
LINK = "https://t.example/"


def event(**fields: Any) -> LeadEvent:
    decoded = decode(json.dumps({"event_id": "e", "lead_id": "L", **fields}).encode())
    assert isinstance(decoded, LeadEvent), decoded
    return decoded


def change(before: dict[str, Any] | None = None, **fields: Any) -> Change:
    """What an event makes of a lead that `before` began (by default in flow F, as new)."""
    lead: Lead | None = None
    folded: object = None
    told = {"event_id": "first", "flow_id": "F", "status": "new", **(before or {})}
    for one in (told, fields):
        folded = fold(lead, event(**one), timestamp_ms=T0, late_s=5, ttl_ms=10**12)
        assert isinstance(folded, Change), folded
        lead = folded.lead
    assert isinstance(folded, Change)
    return folded


def postback(name: str, on: list[str], **fields: Any) -> dict[str, Any]:
    return {"id": name, "on": on, "template": LINK, **fields}


def flow(flow_id: str = "F", *postbacks: dict[str, Any], **fields: Any) -> Flow:
    return parse(json.dumps({"flow_id": flow_id, "postbacks": list(postbacks), **fields}).encode())


def decided(made: Change, *flows: Flow) -> list[tuple[str, str, str]]:
    """Each decision as flow/postback, `fire` or the reason, and the event."""
    known = {one.flow_id: one for one in flows}
    out = []
    for one in decide(made, known.get):
        at = f"{one.flow.flow_id if one.flow else ''}/{one.postback.id if one.postback else ''}"
        out.append((at, "fire" if isinstance(one, Fire) else one.reason, one.event))
    return out


ON_EVENTS = ["new", "hold", "approve", "cancel", "trash"]


@pytest.mark.parametrize("status", ON_EVENTS)
def test_a_status_fires_the_postbacks_on_it_and_no_other(status: str) -> None:
    every = flow("F", *(postback(on, [on]) for on in ON_EVENTS), postback("goal", ["goal"]))
    assert decided(change(status=status), every) == [(f"F/{status}", "fire", status)]


def test_a_status_that_the_lead_has_already_fires_again() -> None:
    assert decided(change(status="wait"), flow("F", postback("a", ["new"]))) == [("F/a", "fire", "new")]


@pytest.mark.parametrize(
    ("fields", "on", "fired"),
    [
        ({"goal": "dep"}, ["goal"], "goal"),
        ({"goal": "dep"}, ["goal:dep"], "goal:dep"),
        ({"goal": "dep"}, ["goal:reg", "goal:dep", "goal"], "goal:dep"),
        ({"goal": "dep"}, ["goal:reg"], None),
        ({"goal": ""}, ["goal", "any"], None),
        ({"price": 5}, ["price"], "price"),
        ({"currency": "eur"}, ["price"], "price"),
        ({"price": 1}, ["price"], None),
        ({"price": 5, "status": "hold"}, ["price"], None),
        ({"price": 5, "goal": "dep"}, ["price"], None),
        ({"status": "hold", "goal": "dep"}, ["goal", "hold"], "goal"),
        ({"status": "hold", "goal": "dep"}, ["hold", "goal"], "hold"),
        ({"status": "hold", "goal": "dep"}, ["approve", "goal:dep", "hold"], "goal:dep"),
        ({"status": "hold", "goal": "dep", "price": 5}, ["any"], "hold"),
        ({"goal": "dep", "price": 5}, ["any"], "goal"),
        ({"price": 5}, ["any"], "price"),
        ({"price": 5}, ["new", "any", "price"], "price"),
        ({"uid": "u"}, ["any", "new", "goal", "price"], None),
        ({"click": {"id": "c"}}, ["any"], None),
    ],
)
def test_the_event_is_the_first_entry_of_on_that_is_met(
    fields: dict[str, Any], on: list[str], fired: str | None
) -> None:
    made = change({"price": 1, "currency": "usd"}, **fields)
    expected = [] if fired is None else [("F/a", "fire", fired)]
    assert decided(made, flow("F", postback("a", on))) == expected


def test_one_event_makes_one_request_per_postback_in_their_order() -> None:
    made = change(status="approve", goal="dep")
    both = flow("F", postback("b", ["approve", "goal", "any"]), postback("a", ["goal:dep", "approve"]))
    assert decided(made, both) == [("F/b", "fire", "approve"), ("F/a", "fire", "goal:dep")]


SHARED = flow("*", postback("g", ["any"]))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], [("*/g", "fire", "hold")]),
        ([flow("F")], [("*/g", "fire", "hold")]),
        ([flow("F", postback("a", ["new"]))], [("*/g", "fire", "hold")]),
        ([flow("F", postback("a", ["hold"]))], [("F/a", "fire", "hold")]),
        ([flow("F", postback("a", ["any"]))], [("F/a", "fire", "hold")]),
        (
            [flow("F", postback("a", ["hold"], enabled=False))],
            [("F/a", "disabled", "hold"), ("*/g", "fire", "hold")],
        ),
        (
            [flow("F", postback("a", ["hold"], when={"geo": "UA"}))],
            [("F/a", "condition: geo", "hold")],
        ),
        (
            [flow("F", postback("a", ["hold"], require=["click"]))],
            [("F/a", "empty: click", "hold")],
        ),
        (
            [flow("F", postback("a", ["hold"], enabled=False), postback("b", ["hold"]))],
            [("F/a", "disabled", "hold"), ("F/b", "fire", "hold")],
        ),
        ([flow("F", postback("a", ["hold"]), enabled=False)], [("F/a", "disabled", "hold")]),
        ([flow("F", postback("a", ["new"]), enabled=False)], [("F/", "disabled", "hold")]),
    ],
)
def test_flow_star_serves_an_unknown_flow_and_what_an_enabled_one_is_not_on(
    own: list[Flow], expected: list[tuple[str, str, str]]
) -> None:
    assert decided(change(status="hold"), SHARED, *own) == expected


def test_without_any_flow_there_is_one_row_that_says_so() -> None:
    assert decided(change(status="hold")) == [("/", "no flow", "hold")]
    assert decided(change(goal="dep")) == [("/", "no flow", "goal")]
    assert decided(change(uid="u")) == []


def test_a_disabled_flow_star_does_not_serve() -> None:
    off = flow("*", postback("g", ["any"]), enabled=False)
    assert decided(change(status="hold"), off) == [("*/", "disabled", "hold")]
    assert decided(change(status="hold"), off, flow("F", postback("a", ["new"]))) == []


def test_a_lead_of_flow_star_itself_is_served_once() -> None:
    made = change({"flow_id": "*"}, status="hold")
    shared = flow("*", postback("g", ["new"]), log_skips="all")
    assert decided(made, shared) == [("*/g", "not on this event", "hold")]


def test_a_lead_that_changes_its_flow_is_served_by_the_new_one() -> None:
    flows = flow("F", postback("a", ["any"])), flow("G", postback("b", ["any"]))
    assert decided(change(flow_id="G", status="hold"), *flows) == [("G/b", "fire", "hold")]


def test_not_on_this_event_is_told_only_where_a_flow_logs_all_skips() -> None:
    told = flow("F", postback("a", ["new"]), postback("b", ["hold"]), log_skips="all")
    assert decided(change(status="hold"), told) == [
        ("F/a", "not on this event", "hold"),
        ("F/b", "fire", "hold"),
    ]
    assert decided(change(uid="u"), told, SHARED) == [
        ("F/a", "not on this event", ""),
        ("F/b", "not on this event", ""),
    ]


def test_a_late_status_fires_nothing_and_is_one_row() -> None:
    told = flow("F", postback("a", ["any"]), postback("b", ["hold"]), log_skips="all")
    old: dict[str, Any] = {"occurred_at": "2026-11-23T14:59:00Z"}
    assert decided(change(status="hold", **old), told, SHARED) == [("F/", "late", "hold")]
    assert decided(change(status="hold", **old)) == [("/", "late", "hold")]
    assert decided(change(status="hold", goal="dep", **old), told) == [
        ("F/", "late", "hold"),
        ("F/a", "fire", "goal"),
        ("F/b", "not on this event", "goal"),
    ]


def test_a_silent_event_fires_nothing_and_is_one_row_if_it_would_have_fired() -> None:
    told = flow("F", postback("a", ["any"]))
    assert decided(change(status="hold", silent=True), told) == [("/", "silent", "hold")]
    assert decided(change(goal="dep", silent=True), told) == [("/", "silent", "goal")]
    assert decided(change(uid="u", silent=True), told) == []


@pytest.mark.parametrize(
    ("require", "reason"),
    [
        (["id", "status", "event", "now", "time", "event_id", "postback", "request", "random"], "fire"),
        (["click"], "empty: click"),
        (["status", "phone", "click"], "empty: phone"),
        (["tag.a"], "fire"),
        (["a", "meta.m", "param.p"], "fire"),
        (["tag.blank"], "empty: tag.blank"),
        (["param.none"], "empty: param.none"),
        (["param.blank"], "empty: param.blank"),
        (["unheard_of"], "empty: unheard_of"),
        (["meta.zero", "meta.false"], "fire"),
        (["phone|tag.a"], "fire"),
        (["phone|email|tag.blank"], "empty: phone|email|tag.blank"),
        (["tag.a|phone", "phone|ip"], "empty: phone|ip"),
    ],
)
def test_a_required_macro_without_a_value_skips_the_request(require: list[str], reason: str) -> None:
    before = {"tags": {"a": "1", "blank": " "}, "meta": {"m": "x", "zero": 0, "false": False}}
    told = flow("F", postback("a", ["hold"], require=require), params={"p": 1, "none": None, "blank": " "})
    assert decided(change(before, status="hold"), told) == [("F/a", reason, "hold")]


def test_conditions_see_the_lead_after_the_event() -> None:
    told = flow("F", postback("a", ["goal"], when={"goal": "dep", "price": {"min": 10}}))
    assert decided(change({"price": 1}, goal="dep", price=10), told) == [("F/a", "fire", "goal")]


def test_a_request_id_is_its_four_parts_and_no_two_share_one() -> None:
    assert request_id("L", "e", "F", "p") == request_id("L", "e", "F", "p")
    assert len(request_id("L", "e", "F", "p")) == 32
    parts = ["", "a", "b", "ab", "a\0b", "\0"]
    made = {request_id(*four) for four in itertools.product(parts, repeat=4)}
    assert len(made) == len(parts) ** 4


def test_a_request_like_the_last_one_emitted_is_not_news() -> None:
    told = flow("F", postback("a", ["any"]), postback("b", ["any"], repeat="always"))
    a, b = (Fire(told, one, "hold") for one in told.postbacks)
    lead = remember_sent(change(status="hold").lead, [Sent("F", "a", b"1", "r1"), Sent("F", "b", b"1", "r2")])
    assert unchanged(lead, a, b"1") == "r1"
    assert unchanged(lead, a, b"2") is None
    assert unchanged(lead, b, b"1") is None
    assert unchanged(lead, Fire(flow("*"), told.postbacks[0], "hold"), b"1") is None
    assert unchanged(Lead("L", "F", "new", 0, 0, 1), a, b"1") is None


def test_only_the_last_emitted_of_the_32_latest_postbacks_are_remembered() -> None:
    lead = Lead("L", "F", "new", 0, 0, 1)
    for number in range(40):
        lead = remember_sent(lead, [Sent("F", f"p{number}", b"1", f"r{number}")])
    lead = remember_sent(lead, [Sent("F", "p8", b"2", "again"), Sent("F", "new", b"3", "r")])
    assert len(lead.sent) == 32
    assert [one.postback_id for one in lead.sent][-3:] == ["p39", "p8", "new"]
    assert [one.request_id for one in lead.sent if one.postback_id == "p8"] == ["again"]
    assert lead.sent[0].postback_id == "p10"
    assert remember_sent(lead, []) is lead


def test_a_skip_names_its_flow_and_postback() -> None:
    told = flow("F", postback("a", ["hold"], enabled=False))
    (skip,) = decide(change(status="hold"), {"F": told}.get)
    assert skip == Skip("disabled", "hold", told, told.postbacks[0])
