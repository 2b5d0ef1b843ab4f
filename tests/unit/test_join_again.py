"""A request rendered anew: the facts of its event, the flow of now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows.config import parse
from app.flows.flow import Flow
from app.join.again import CannotRender, Wanted, render_again, wanted
from app.join.build import Source, Terms, join
from app.leads.lead import Lead
from app.messages.request import Request

AT_MS = 1_795_446_000_000


def flow(template: str, version: int = 3, **more: Any) -> Flow:
    postback = {"id": "fb", "on": ["new", "approve"], "template": template, **more}
    told = {"flow_id": "F-7", "params": {"pixel": "123"}, "postbacks": [postback]}
    return parse(json.dumps(told).encode(), version=version)


def terms(*flows: Flow, secrets: Mapping[str, str] | None = None) -> Terms:
    known = {one.flow_id: one for one in flows}
    return Terms(known.get, (secrets or {}).get, lambda: "rnd", 5.0, 90 * 86_400_000, "w")


def record(offset: int, event: Mapping[str, Any]) -> Source:
    return Source("lead-events", 2, offset, AT_MS + offset * 1_000, None, json.dumps(event).encode())


FIRST = {"flow_id": "F-7", "status": "new"}
EVENTS = [
    record(0, {"event_id": "e-1", "lead_id": "L-1", **FIRST, "click": {"id": "c 9"}}),
    record(1, {"event_id": "x-1", "lead_id": "L-2", **FIRST, "price": 9}),
    Source("lead-events", 2, 2, AT_MS, None, b"{"),
    record(3, {"event_id": "e-1", "lead_id": "L-1", "status": "trash"}),
    record(4, {"event_id": "e-2", "lead_id": "L-1", "status": "approve", "price": 12.5}),
    record(5, {"event_id": "e-3", "lead_id": "L-1", "status": "cancel", "click": {"id": None}}),
]
APPROVE = Wanted("L-1", "e-2", 2, "F-7", "fb", "approve")
OLD = flow("https://old.er/?c={click}&p={price}")


def made(events: list[Source], by: Terms) -> list[Request]:
    """What JOIN makes of the events."""
    leads: dict[str, Lead] = {}
    requests = []
    for source in events:
        effects = join(source, leads.get, by, AT_MS)
        if effects.lead is not None:
            leads[effects.lead.lead_id] = effects.lead
        requests += effects.requests
    return requests


def test_it_has_the_facts_of_its_event_and_the_template_of_now() -> None:
    new = flow("https://new.er/{param.pixel}?c={click}&p={price}&s={status}", version=8, timeout_s=3)
    again = render_again(APPROVE, EVENTS, terms(new), AT_MS)
    assert again.link == "https://new.er/123?c=c%209&p=12.5&s=approve"
    assert (again.host, again.origin.flow_version, again.delivery.timeout_s) == ("new.er", 8, 3)
    assert (again.origin.lead_seq, again.origin.requested_at) == (2, AT_MS + 4_000)


def test_by_the_same_flow_it_is_the_request_that_join_made() -> None:
    by = terms(OLD)
    requests = made(EVENTS, by)
    assert [request.origin.event_id for request in requests] == ["e-1", "x-1", "e-2"]
    for request in requests:
        assert render_again(wanted(request), EVENTS, by, AT_MS) == request


@pytest.mark.parametrize(
    ("told", "flows", "why"),
    [
        (APPROVE, [], "there is no flow F-7 any more"),
        (Wanted("L-1", "e-2", 2, "F-7", "gone", "new"), [OLD], "no postback gone"),
        (Wanted("L-1", "e-9", 4, "F-7", "fb", "new"), [OLD], "not all of the events are stored"),
        (Wanted("L-1", "e-2", 3, "F-7", "fb", "new"), [OLD], "not all of the events are stored"),
        (APPROVE, [flow("https://a.er/{id|hmac:key}")], "secret key is not set"),
    ],
)
def test_what_cannot_be_rendered_says_why(told: Wanted, flows: list[Flow], why: str) -> None:
    with pytest.raises(CannotRender, match=why):
        render_again(told, EVENTS, terms(*flows), AT_MS)


def test_without_its_first_events_a_lead_is_not_rendered_from_what_is_left() -> None:
    with pytest.raises(CannotRender, match="its lead cannot be folded up to it"):
        render_again(APPROVE, EVENTS[4:], terms(OLD), AT_MS)


scripts = st.lists(
    st.fixed_dictionaries(
        {
            "lead_id": st.sampled_from(["L-1", "L-2"]),
            "flow_id": st.just("F-7"),
            "status": st.sampled_from(["new", "approve", "hold"]),
            "price": st.integers(1, 9),
            "event_id": st.sampled_from([f"e-{number}" for number in range(6)]),
        }
    ),
    max_size=12,
)


@given(scripts)
def test_whatever_join_made_can_be_made_again_from_the_events(script: list[dict[str, Any]]) -> None:
    events = [record(offset, event) for offset, event in enumerate(script)]
    by = terms(OLD)
    for request in made(events, by):
        assert render_again(wanted(request), events, by, AT_MS) == request


def test_what_came_before_an_erasure_is_not_rendered_anew() -> None:
    erase = record(6, {"event_id": "x", "lead_id": "L-1", "erase": True})
    anew = record(7, {"event_id": "e-9", "lead_id": "L-1", **FIRST, "click": {"id": "new"}})
    told = Wanted("L-1", "e-9", 1, "F-7", "fb", "new")
    again = render_again(told, [*EVENTS, erase, anew], terms(OLD), AT_MS)
    assert again.link == "https://old.er/?c=new&p="
    lost = Wanted("L-1", "e-10", 4, "F-7", "fb", "approve")
    after = record(8, {"event_id": "e-10", "lead_id": "L-1", "status": "approve"})
    with pytest.raises(CannotRender, match="not all of the events"):
        render_again(lost, [*EVENTS, erase, after], terms(OLD), AT_MS)
