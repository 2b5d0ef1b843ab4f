"""A lead's story: what each of its stored events changed, and the lead that they make. Pure.

The events are folded as JOIN folds them, so the lead is what JOIN's table holds: each partition by itself,
since a producer that hashes in another way than murmur2 makes several leads of one. What only JOIN knows
(which requests were emitted last) is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import structs

from app.leads.events import LeadEvent, Scalar, decode
from app.leads.fold import Change, Erased, Folded, Repeat, fold, occurred_ms
from app.leads.lead import Lead
from app.leads.malformed import Malformed

_OBJECTS = ("click", "tags", "customer", "meta")
_OF_JOIN = ("lead_id", "status_at", "touched_at", "seq", "seen", "sent")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A record of `lead-events` as LOG stored it; `recorded_at` is its Kafka timestamp."""

    partition: int
    offset: int
    recorded_at: datetime
    value: bytes


@dataclass(frozen=True, slots=True)
class Changed:
    """A field of the lead, by its path in an event, before and after; None is no value."""

    field: str
    before: Scalar
    after: Scalar


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """What an event was and did. `occurred_at` is its own time."""

    recorded_at: datetime
    partition: int
    offset: int
    result: Literal["folded", "repeat", "rejected", "erased"]
    reason: str = ""
    event_id: str = ""
    status: str | None = None
    goal: str | None = None
    occurred_at: datetime | None = None
    late: bool = False
    silent: bool = False
    changed: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """The leads that the events make, by partition (in all but a mistaken set-up one), and the events."""

    leads: dict[int, Lead]
    events: list[ToldEvent]


def tell(events: Iterable[StoredEvent], *, late_s: float, ttl_ms: int) -> Story:
    """The story of one lead's events, which come by partition and offset."""
    story = Story({}, [])
    for stored in events:
        event = decode(stored.value)
        if isinstance(event, Malformed):
            told = ToldEvent(stored.recorded_at, stored.partition, stored.offset, "rejected", str(event))
        else:
            told = _fold(story.leads, stored, event, late_s, ttl_ms)
        story.events.append(told)
    return story


def _fold(
    leads: dict[int, Lead], stored: StoredEvent, event: LeadEvent, late_s: float, ttl_ms: int
) -> ToldEvent:
    before = leads.get(stored.partition)
    timestamp_ms = round(stored.recorded_at.timestamp() * 1000)
    folded = fold(before, event, timestamp_ms=timestamp_ms, late_s=late_s, ttl_ms=ttl_ms)
    if isinstance(folded, Change):
        leads[stored.partition] = folded.lead
    elif isinstance(folded, Erased):
        leads.pop(stored.partition, None)
    return ToldEvent(
        stored.recorded_at,
        stored.partition,
        stored.offset,
        **_result(before, folded),
        event_id=event.event_id,
        status=event.status,
        goal=event.goal or None,
        occurred_at=datetime.fromtimestamp(occurred_ms(event, timestamp_ms) / 1000, UTC),
        silent=event.silent,
    )


def _result(before: Lead | None, folded: Folded) -> dict[str, Any]:
    if isinstance(folded, Repeat):
        return {"result": "repeat", "reason": "the lead knows this event_id: it changed nothing"}
    if isinstance(folded, Erased):
        return {"result": "erased", "reason": "the lead was forgotten"}
    if not isinstance(folded, Change):
        return {"result": "rejected", "reason": folded.reason}
    is_new = folded.lead.seq == 1  # also one that had expired
    return {
        "result": "folded",
        "late": folded.late,
        "changed": _changes({} if is_new or before is None else fields_of(before), fields_of(folded.lead)),
    }


def _changes(before: dict[str, Scalar], after: dict[str, Scalar]) -> tuple[Changed, ...]:
    names = dict.fromkeys([*after, *before])
    return tuple(
        Changed(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def fields_of(lead: Lead) -> dict[str, Scalar]:
    """What the lead has a value for, by its path in an event: `status`, `click.id`, `tags.utm_source`."""
    found: dict[str, Scalar] = {}
    for name, value in structs.asdict(lead).items():
        if name in _OBJECTS:
            parts = value if isinstance(value, dict) else structs.asdict(value)
            found |= {f"{name}.{key}": part for key, part in parts.items()}
        elif name not in _OF_JOIN:
            found[name] = value
    return {name: value for name, value in found.items() if value is not None}
