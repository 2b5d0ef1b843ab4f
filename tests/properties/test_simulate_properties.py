"""A simulation: no difference by the flow that ran, and by another exactly what the two make differ."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from app.flows.flow import Flow
from app.join.build import Source
from app.messages.request import Request
from app.queries.made import Made
from app.queries.simulate import Outcome, Simulation
from app.queries.stored import Span
from tests.stories import AT_MS, by_lead, flows, requests_of, sources, stories, terms

ALL = Span("F-1", 0, AT_MS * 2)


def made_of(requests: list[Request]) -> dict[str, Made]:
    """The requests as ClickHouse has them."""
    return {
        r.request_id: Made(
            r.request_id,
            r.origin.postback_id,
            r.origin.event,
            r.origin.event_id,
            r.origin.lead_id,
            r.origin.flow_version,
            "delivered",
            r.origin.requested_at,
        )
        for r in requests
    }


def simulated(records: list[Source], then: Flow, now: Flow, span: Span = ALL) -> Outcome:
    """What comes of the events by a flow, compared to what another one made of them."""
    simulation = Simulation(now, span, terms(then), AT_MS)
    made = made_of(requests_of(records, terms(then)))
    simulation.take(by_lead(records).values(), made, {then.version: then}.get, 10**9)
    return simulation.outcome


@given(stories, flows())
@settings(deadline=None)
def test_by_the_flow_that_ran_nothing_differs(story: list[Any], flow: Flow) -> None:
    records = sources(story)
    outcome = simulated(records, flow, flow)
    assert (outcome.only_now, outcome.only_then, outcome.changed, outcome.unknown) == (0, 0, 0, 0)
    assert (outcome.same, outcome.first) == (len(requests_of(records, terms(flow))), [])


@given(stories, flows(), flows(version=8))
@settings(deadline=None)
def test_by_another_flow_each_request_is_counted_once_as_what_it_is(
    story: list[Any], then: Flow, now: Flow
) -> None:
    records = sources(story)
    outcome = simulated(records, then, now)
    was = {r.request_id: r for r in requests_of(records, terms(then))}
    is_ = {r.request_id: r for r in requests_of(records, terms(now))}
    assert (outcome.only_now, outcome.only_then) == (len(is_.keys() - was), len(was.keys() - is_))
    differing = sum(
        (was[key].link, was[key].body) != (is_[key].link, is_[key].body) for key in was.keys() & is_
    )
    assert (outcome.changed, outcome.unknown) == (differing, 0)
    assert outcome.same == len(was.keys() & is_) - differing
    assert sum(count["sends"] for count in outcome.now.values()) == len(is_)


@given(stories, flows(), flows(version=8))
@settings(deadline=None)
def test_only_what_lies_in_the_span_is_compared(story: list[Any], then: Flow, now: Flow) -> None:
    records = sources(story)
    span = Span("F-1", AT_MS + 5_000, AT_MS + 9_000)
    outcome = simulated(records, then, now, span)
    was = [r for r in requests_of(records, terms(then)) if r.origin.requested_at in span]
    is_ = [r for r in requests_of(records, terms(now)) if r.origin.requested_at in span]
    assert outcome.only_then + outcome.same + outcome.changed == len(was)
    assert outcome.only_now + outcome.same + outcome.changed == len(is_)
