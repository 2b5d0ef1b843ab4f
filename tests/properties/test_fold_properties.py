"""The fold: the same lead from the events and from the table, and what no event can do."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, Rejected, Repeat, fold
from app.leads.lead import Lead, decode_lead, encode_lead

TTL_MS = 1000 * 60_000
START_MS = 1_795_446_000_000

maybe_text = st.sampled_from(["a", "b", "", None])
scalar = st.one_of(maybe_text, st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, -0.0]))
some_keys = st.sampled_from(["x", "y", "fbclid", "fbc"])
told = st.fixed_dictionaries(
    {"event_id": st.integers(0, 25).map(str), "lead_id": st.just("L")},
    optional={
        "flow_id": st.sampled_from(["F", "G", None]),
        "status": st.sampled_from(["new", "wait", "hold", "approve", None]),
        "occurred_at": st.integers(0, 59).map(lambda second: f"2026-11-23T15:00:{second:02}Z"),
        "goal": maybe_text,
        "price": st.sampled_from([1, 1.0, 2.5, None]),
        "uid": maybe_text,
        "click": st.none() | st.fixed_dictionaries({}, optional={"id": maybe_text, "geo": maybe_text}),
        "customer": st.none() | st.fixed_dictionaries({}, optional={"name": maybe_text}),
        "tags": st.none() | st.dictionaries(some_keys, scalar, max_size=3),
        "meta": st.none() | st.dictionaries(some_keys, scalar, max_size=3),
        "silent": st.booleans(),
    },
)
records = st.lists(st.tuples(told, st.integers(0, 90_000)), max_size=40)


def events_of(made: list[tuple[dict[str, Any], int]]) -> list[tuple[LeadEvent, int]]:
    """Decoded events with their record timestamps, which never go back."""
    timestamp_ms, out = START_MS, []
    for fields, wait_ms in made:
        timestamp_ms += wait_ms
        event = decode(msgspec.json.encode(fields))
        assert isinstance(event, LeadEvent)
        out.append((event, timestamp_ms))
    return out


def fold_all(lead: Lead | None, events: list[tuple[LeadEvent, int]]) -> tuple[Lead | None, list[Any]]:
    """The lead after all events, and what each made of it."""
    made = []
    for event, timestamp_ms in events:
        result = fold(lead, event, timestamp_ms=timestamp_ms, late_s=5, ttl_ms=TTL_MS)
        if isinstance(result, Change):
            lead = result.lead
        made.append(result)
    return lead, made


def stored(lead: Lead | None) -> Lead | None:
    return None if lead is None else decode_lead(encode_lead(lead))


@given(records, st.integers(0, 40))
@settings(deadline=None)
def test_the_fold_of_all_events_is_the_table_s_lead_also_after_a_restart(
    made: list[tuple[dict[str, Any], int]], restart: int
) -> None:
    events = events_of(made)
    whole, results = fold_all(None, events)
    before, first_results = fold_all(None, events[:restart])
    after, last_results = fold_all(stored(before), events[restart:])
    assert repr(after) == repr(whole)
    assert repr(first_results + last_results) == repr(results)


@given(records)
@settings(deadline=None)
def test_the_lead_is_the_same_when_it_is_stored_after_every_event(
    made: list[tuple[dict[str, Any], int]],
) -> None:
    events, lead = events_of(made), None
    for event in events:
        lead = stored(fold_all(lead, [event])[0])
    assert repr(lead) == repr(fold_all(None, events)[0])


@given(records, st.integers(1, 20))
@settings(deadline=None)
def test_a_suffix_that_is_delivered_again_changes_nothing(
    made: list[tuple[dict[str, Any], int]], count: int
) -> None:
    events = events_of(made)
    lead, results = fold_all(None, events)
    folded: list[tuple[LeadEvent, int]] = []
    for event, result in zip(events, results, strict=True):
        if isinstance(result, Change):
            folded = [event] if result.lead.seq == 1 else [*folded, event]  # a lead begins anew
    again, results = fold_all(lead, folded[-count:])
    assert again == lead
    assert all(isinstance(result, Repeat) for result in results)


@given(records)
@settings(deadline=None)
def test_a_late_event_moves_no_status_flow_or_value_that_is_there(
    made: list[tuple[dict[str, Any], int]],
) -> None:
    lead: Lead | None = None
    for event, timestamp_ms in events_of(made):
        result = fold(lead, event, timestamp_ms=timestamp_ms, late_s=5, ttl_ms=TTL_MS)
        if not isinstance(result, Change):
            continue
        if lead is not None and result.late:
            assert (result.lead.status, result.lead.status_at) == (lead.status, lead.status_at)
            assert result.status is None
            if result.goal is None:
                assert result.lead.flow_id == lead.flow_id
                assert {k: v for k, v in result.lead.tags.items() if lead.tags.get(k) is not None} == {
                    k: v for k, v in lead.tags.items() if v is not None
                }
                assert lead.uid is None or result.lead.uid == lead.uid
                assert lead.click.id is None or result.lead.click.id == lead.click.id
        lead = result.lead


@given(records)
@settings(deadline=None)
def test_a_result_says_at_most_one_of_status_or_price_and_counts_by_one(
    made: list[tuple[dict[str, Any], int]],
) -> None:
    lead: Lead | None = None
    for event, timestamp_ms in events_of(made):
        result = fold(lead, event, timestamp_ms=timestamp_ms, late_s=5, ttl_ms=TTL_MS)
        if isinstance(result, Rejected):
            assert lead is None or timestamp_ms - lead.touched_at > TTL_MS
        if isinstance(result, Change):
            assert not (result.price_changed and (result.status or result.goal or result.late))
            assert result.lead.seq in (1, 1 + (lead.seq if lead else 0))
            assert len(result.lead.seen) <= 64 * 8
            lead = result.lead
