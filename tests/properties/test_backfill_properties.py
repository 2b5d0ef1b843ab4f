"""A backfill: what a postback would have sent, each once, however often and wherever it was stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from app.flows.flow import Flow
from app.join.build import Source
from app.messages.request import Request
from app.queries.backfill import Asked, Decided, Known, backfill
from app.queries.stored import Span, since_erasure
from tests.stories import AT_MS, by_lead, erasing, flows, requests_of, sources, stories, terms

ALL = Span("F-1", 0, AT_MS * 2)
EVER = 10**9


def decided(
    records: list[Source],
    flow: Flow,
    made: Mapping[str, str],
    asked: Asked = Asked(ALL, "fb"),  # noqa: B008 - it is frozen
    folded_to: int = EVER,
) -> list[Decided]:
    """What a backfill decides, lead after lead."""
    known = Known(made, folded_to)
    leads = by_lead(records).values()
    return [one for events in leads for one in backfill(events, asked, known, terms(flow), AT_MS)]


def sent(*args: Any, **more: Any) -> list[Request]:
    """The requests among it."""
    return [one for one in decided(*args, **more) if isinstance(one, Request)]


def ids(requests: list[Request]) -> list[str]:
    return [request.request_id for request in requests]


def in_order(requests: Iterable[Request]) -> list[Request]:
    return sorted(requests, key=lambda r: (r.origin.lead_id, r.origin.requested_at))


def marked(requests: Iterable[Request]) -> list[Request]:
    """Requests of JOIN as a backfill makes them."""
    return in_order(structs.replace(request, backfilled=True) for request in requests)


@given(stories, flows(), flows(version=8))
@settings(deadline=None)
def test_nothing_is_sent_twice_for_an_event_and_nothing_that_join_made(
    story: list[Any], then: Flow, now: Flow
) -> None:
    records = sources(story)
    made = dict.fromkeys(ids(requests_of(records, terms(then))), "delivered")
    found = ids(sent(records, now, made))
    assert len(found) == len(set(found))
    assert not set(found) & made.keys()


@given(stories, flows(), flows(version=8), st.integers(0, 25))
@settings(deadline=None)
def test_stopped_anywhere_and_run_again_it_sends_exactly_the_rest(
    story: list[Any], then: Flow, now: Flow, stopped: int
) -> None:
    records = sources(story)
    made = dict.fromkeys(ids(requests_of(records, terms(then))), "delivered")
    whole = sent(records, now, made)
    begun = made | dict.fromkeys(ids(whole[:stopped]), "under way")
    assert sent(records, now, begun) == whole[stopped:]
    assert sent(records, now, made | dict.fromkeys(ids(whole), "delivered")) == []


@given(stories, flows())
@settings(deadline=None)
def test_for_a_new_postback_it_sends_what_join_would_have_sent(story: list[Any], flow: Flow) -> None:
    records = sources(story)
    would = [r for r in requests_of(records, terms(flow)) if r.origin.postback_id == "fb"]
    assert in_order(sent(records, flow, {})) == marked(would)


@given(stories, flows(), flows(flow_id="*"))
@settings(deadline=None)
def test_for_a_new_global_postback_too(story: list[Any], flow: Flow, shared: Flow) -> None:
    records, by = sources(story), terms(flow, shared)
    asked = Asked(Span("*", 0, AT_MS * 2), "fb")
    would = [r for r in requests_of(records, by) if (r.origin.flow_id, r.origin.postback_id) == ("*", "fb")]
    leads = by_lead(records).values()
    found = [d for events in leads for d in backfill(events, asked, Known({}, EVER), by, AT_MS)]
    assert in_order(one for one in found if isinstance(one, Request)) == marked(would)


@given(stories, erasing, stories, flows())
@settings(deadline=None)
def test_of_an_erased_lead_only_what_came_after_is_sent(
    before: list[Any], erased: Any, after: list[Any], flow: Flow
) -> None:
    records = sources([*before, erased, *after])
    events = by_lead(records)["L-1"]
    kept = since_erasure(events)
    assert kept == [source for source in events if source.offset > len(before)]
    since = [s for s in records if s.offset > len(before)]
    would = [r for r in requests_of(since, terms(flow)) if r.origin.postback_id == "fb"]
    asked, known = Asked(ALL, "fb"), Known({}, EVER)
    for read in (kept, events[len(events) - len(kept) - 1 :]):
        found = [d for d in backfill(read, asked, known, terms(flow), AT_MS) if isinstance(d, Request)]
        assert in_order(found) == marked(r for r in would if r.origin.lead_id == "L-1")


@given(stories, flows(), st.integers(0, 25), st.integers(0, 25))
@settings(deadline=None)
def test_only_events_of_the_span_that_join_has_folded_are_sent(
    story: list[Any], flow: Flow, first: int, folded_to: int
) -> None:
    records = sources(story)
    span = Span("F-1", AT_MS + first * 1_000, AT_MS + 20_000)
    for request in sent(records, flow, {}, Asked(span, "fb"), folded_to=folded_to):
        assert request.origin.requested_at in span
        assert (request.origin.requested_at - AT_MS) // 1_000 < folded_to


@given(stories, flows())
@settings(deadline=None)
def test_what_is_past_its_deadline_is_sent_only_if_told_to(story: list[Any], flow: Flow) -> None:
    records, later = sources(story), AT_MS + 10 * 86_400_000
    leads = by_lead(records).values()

    def run(ignore: bool) -> list[Decided]:
        asked = Asked(ALL, "fb", ignore_deadline=ignore)
        return [d for events in leads for d in backfill(events, asked, Known({}, EVER), terms(flow), later)]

    assert not [one for one in run(ignore=False) if isinstance(one, Request)]
    assert len([one for one in run(ignore=True) if isinstance(one, Request)]) == len(sent(records, flow, {}))
