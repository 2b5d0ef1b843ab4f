"""A lead's story says what each event changed, and ends in the lead that JOIN has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.leads.events import decode
from app.leads.fold import Change, fold
from app.leads.lead import Lead
from app.leads.malformed import Malformed
from app.queries.story import Changed, StoredEvent, Story, fields_of, tell

_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_TTL_MS = 90 * 86_400_000


def _stored(
    *events: dict[str, Any] | bytes, partition: int = 0, every: timedelta = timedelta(seconds=10)
) -> list[StoredEvent]:
    return [
        StoredEvent(
            partition,
            offset,
            _NOON + offset * every,
            event if isinstance(event, bytes) else json.dumps({"lead_id": "L-1", **event}).encode(),
        )
        for offset, event in enumerate(events)
    ]


def _tell(*events: dict[str, Any] | bytes, **more: Any) -> Story:
    return tell(_stored(*events, **more), late_s=5.0, ttl_ms=_TTL_MS)


_NEW = {"event_id": "e-1", "flow_id": "F-1", "status": "new", "click": {"id": "c-9"}, "tags": {"a": 1}}


def test_each_event_says_what_it_changed() -> None:
    story = _tell(_NEW, {"event_id": "e-2", "status": "approve", "price": 12.5, "tags": {"a": None}})
    first, second = story.events
    assert (first.result, first.status) == ("folded", "new")
    assert Changed("click.id", None, "c-9") in first.changed
    assert second.changed == (
        Changed("status", "new", "approve"),
        Changed("price", None, 12.5),
        Changed("tags.a", 1, None),
    )
    assert fields_of(story.leads[0]) == {
        "flow_id": "F-1",
        "status": "approve",
        "price": 12.5,
        "click.id": "c-9",
    }


def test_repeats_late_and_silent_events_are_called_so() -> None:
    old = {"event_id": "e-3", "status": "hold", "occurred_at": "2026-11-24T11:00:00Z", "currency": "usd"}
    story = _tell(_NEW, _NEW, old, {"event_id": "e-4", "goal": "1", "silent": True})
    assert [event.result for event in story.events] == ["folded", "repeat", "folded", "folded"]
    assert story.events[1].changed == ()
    assert (story.events[2].late, story.events[2].changed) == (True, (Changed("currency", None, "usd"),))
    assert (story.events[3].silent, story.events[3].goal) == (True, "1")


def test_what_is_rejected_says_why_and_makes_no_lead() -> None:
    story = _tell(b"{", {"event_id": "e-1", "status": "new"})
    assert story.leads == {}
    assert [event.result for event in story.events] == ["rejected", "rejected"]
    assert "not JSON" in story.events[0].reason
    assert "brings no flow_id" in story.events[1].reason


def test_a_lead_that_had_expired_begins_anew() -> None:
    again = {"event_id": "e-2", "flow_id": "F-2", "status": "hold"}
    story = _tell(_NEW, again, every=timedelta(days=91))
    assert story.events[1].changed == (Changed("flow_id", None, "F-2"), Changed("status", None, "hold"))
    assert "click.id" not in fields_of(story.leads[0])


def test_partitions_are_folded_each_by_itself_as_join_does() -> None:
    events = [*_stored(_NEW), *_stored({**_NEW, "status": "hold"}, partition=3)]
    story = tell(events, late_s=5.0, ttl_ms=_TTL_MS)
    assert {partition: lead.status for partition, lead in story.leads.items()} == {0: "new", 3: "hold"}


_event = st.fixed_dictionaries(
    {"event_id": st.sampled_from("abcdef")},
    optional={
        "flow_id": st.sampled_from(["F-1", "F-2"]),
        "status": st.sampled_from(["new", "hold", "approve", "nonsense"]),
        "price": st.none() | st.integers(0, 3),
        "click": st.none() | st.fixed_dictionaries({"id": st.none() | st.sampled_from("xy")}),
        "tags": st.none() | st.dictionaries(st.sampled_from("ab"), st.none() | st.integers(0, 2)),
    },
)


@given(st.lists(_event | st.just(b"{"), max_size=8))
def test_the_lead_of_a_story_is_always_the_one_that_join_folds(events: list[dict[str, Any] | bytes]) -> None:
    lead: Lead | None = None
    before: dict[str, Any] = {}
    for stored, told in zip(_stored(*events), _tell(*events).events, strict=True):
        event = decode(stored.value)
        at_ms = round(stored.recorded_at.timestamp() * 1000)
        if not isinstance(event, Malformed):
            folded = fold(lead, event, timestamp_ms=at_ms, late_s=5.0, ttl_ms=_TTL_MS)
            lead = folded.lead if isinstance(folded, Change) else lead
        after = {} if lead is None else fields_of(lead)
        for changed in told.changed:
            assert before.get(changed.field) == changed.before
            assert after.get(changed.field) == changed.after
        assert {c.field for c in told.changed} == {
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        }
        before = after
    story = _tell(*events)
    assert msgspec.structs.asdict(story.leads[0]) == msgspec.structs.asdict(lead) if lead else not story.leads


def test_a_story_tells_of_an_erasure_and_of_the_lead_that_began_anew() -> None:
    erase = {"event_id": "x", "erase": True}
    assert _tell(_NEW, erase).leads == {}
    story = _tell(_NEW, erase, {**_NEW, "click": None})
    assert [event.result for event in story.events] == ["folded", "erased", "folded"]
    assert "click.id" not in fields_of(story.leads[0])
