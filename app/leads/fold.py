"""Fold a lead event into its lead: `fold(lead, event) -> Repeat | Rejected | Change | Erased`.

Pure, so that the table can be computed again from the events. The rules, in the order they are asked:

1. A lead that was not touched for its time to live is unknown, whether or not it was swept yet.
2. An event id among the lead's last 64 changes nothing.
3. An unknown lead begins with an event that brings a flow and a status; any other is rejected.
4. A status is late when its event is more than `late_s` older than the event that set the lead's status.
   It does not move the status, and its event only fills what the lead has no value for.
5. Otherwise absent keeps and null clears, field by field inside `click`, `tags`, `customer` and `meta`.

Before all of them: an event that says `erase` leaves no lead, and nothing else of it counts.

A goal is never late: an event with a goal and a late status fires its goal, which becomes the lead's; its
status and its other fields are late. An event moves to the new flow together with its lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeVar

from msgspec import UNSET, Struct, UnsetType, structs

from app.leads.events import LeadEvent, Scalar
from app.leads.fbc import with_fbc
from app.leads.lead import SEEN_BYTES, SEEN_LIMIT, Click, Customer, Lead, encode_lead

AHEAD_MS = 5 * 60 * 1000
MAX_LEAD_BYTES = 512 * 1024
"""What a lead may grow to: well below what a record of its changelog may hold (2 MiB)."""

_Part = TypeVar("_Part", Click, Customer)
_TEXTS = ("goal", "price", "currency", "reason", "uid")


class Repeat(Struct, frozen=True):
    """The event was folded before: nothing changes, nothing is sent, no row."""


class Rejected(Struct, frozen=True):
    """The event cannot be folded; the lead stays as it was."""

    reason: str


class Change(Struct, frozen=True):
    """What an event made of its lead, and what it carried.

    `status` is the status it carried unless that is late, `goal` its goal; `price_changed` says that it
    carries neither a status nor a goal and changes price or currency. `occurred_at` is the event's time
    in Unix milliseconds, by its own word or the record's.
    """

    lead: Lead
    event: LeadEvent
    occurred_at: int
    status: str | None = None
    goal: str | None = None
    price_changed: bool = False
    late: bool = False

    @property
    def silent(self) -> bool:
        """Whether the producer asked that nothing be sent."""
        return self.event.silent


class Erased(Struct, frozen=True):
    """The lead is forgotten, with the ids of its events. All of them are of `until` (Unix ms) or before."""

    until: int


Folded = Repeat | Rejected | Change | Erased


def fold(lead: Lead | None, event: LeadEvent, *, timestamp_ms: int, late_s: float, ttl_ms: int) -> Folded:
    """What `event` makes of `lead` (None: unknown).

    `timestamp_ms` is the Kafka timestamp of the event's record, `ttl_ms` how long a lead lives untouched.
    """
    if event.erase:
        return Erased(timestamp_ms if lead is None else max(timestamp_ms, lead.touched_at))
    expired = lead is not None and timestamp_ms - lead.touched_at > ttl_ms
    before = None if expired else lead
    hashed = _hash(event.event_id)
    if before is not None and _is_seen(before.seen, hashed):
        return Repeat()
    occurred_at = occurred_ms(event, timestamp_ms)
    if before is None:
        change = _begin(event, hashed, occurred_at, timestamp_ms, expired)
    else:
        change = _continue(before, event, hashed, occurred_at, timestamp_ms, late_s)
    if isinstance(change, Change) and (size := len(encode_lead(change.lead))) > MAX_LEAD_BYTES:
        return Rejected(f"the lead would grow to {size} bytes, over the limit of {MAX_LEAD_BYTES}")
    return change


def occurred_ms(event: LeadEvent, timestamp_ms: int) -> int:
    """When the event happened: its own word, unless it has none or is over 5 minutes ahead of its record."""
    told = event.occurred_ms()
    return timestamp_ms if told is None or told > timestamp_ms + AHEAD_MS else told


def preview_lead(event: LeadEvent) -> Lead:
    """The lead that an event makes by itself, whatever it lacks: what a preview renders.

    Missing ids, flow and status are "", the times 0.
    """
    lead = _first(event, event.flow_id or "", event.status or "", event.occurred_ms() or 0, 0, b"")
    return structs.replace(lead, status_at=0)


def _begin(
    event: LeadEvent, hashed: bytes, occurred_at: int, timestamp_ms: int, expired: bool
) -> Change | Rejected:
    if event.flow_id is None or event.status is None:
        lacks = [name for name in ("flow_id", "status") if getattr(event, name) is None]
        why = "expired" if expired else "unknown"
        return Rejected(f"lead {event.lead_id} is {why} and the event brings no {' and no '.join(lacks)}")
    first = _first(event, event.flow_id, event.status, occurred_at, timestamp_ms, hashed)
    return Change(first, event, occurred_at, event.status, event.goal or None)


def _first(
    event: LeadEvent, flow_id: str, status: str, occurred_at: int, timestamp_ms: int, seen: bytes
) -> Lead:
    """The lead that an event makes by itself."""
    told = _told(_UNTOLD, event, occurred_at, fill=False)
    return Lead(event.lead_id, flow_id, status, occurred_at, timestamp_ms, 1, seen=seen, **told)


_UNTOLD = Lead("", "", "", 0, 0, 0)


def _continue(
    before: Lead, event: LeadEvent, hashed: bytes, occurred_at: int, timestamp_ms: int, late_s: float
) -> Change:
    status, goal = event.status, event.goal or None
    late = status is not None and before.status_at - occurred_at > late_s * 1000
    moved = _told(before, event, occurred_at, fill=late)
    moved["touched_at"] = max(before.touched_at, timestamp_ms)
    moved["seq"] = before.seq + 1
    moved["seen"] = (before.seen + hashed)[-SEEN_LIMIT * SEEN_BYTES :]
    if event.flow_id is not None and not late:
        moved["flow_id"] = event.flow_id
    if status is not None and not late:
        moved["status"], moved["status_at"] = status, occurred_at
    if goal is not None:
        moved["goal"] = goal
    after = structs.replace(before, **moved)
    return Change(
        after,
        event,
        occurred_at,
        None if late else status,
        goal,
        status is None
        and goal is None
        and (after.price != before.price or after.currency != before.currency),
        late,
    )


def _told(lead: Lead, event: LeadEvent, occurred_at: int, *, fill: bool) -> dict[str, Any]:
    """What the event tells of the lead's fields; with `fill` only of those that the lead has no value for."""
    told: dict[str, Any] = {}
    for name in _TEXTS:
        value = getattr(event, name)
        if value is not UNSET and not (fill and getattr(lead, name) is not None):
            told[name] = value
    if event.click is not UNSET:
        told["click"] = _patched(lead.click, event.click, _NO_CLICK, fill)
    if event.customer is not UNSET:
        told["customer"] = _patched(lead.customer, event.customer, _NOBODY, fill)
    if event.tags is not UNSET:
        told["tags"] = with_fbc(_merged(lead.tags, event.tags, fill), lead.tags, occurred_at)
    if event.meta is not UNSET:
        told["meta"] = _merged(lead.meta, event.meta, fill)
    return told


_NO_CLICK, _NOBODY = Click(), Customer()


def _patched(old: _Part, told: Struct | UnsetType | None, cleared: _Part, fill: bool) -> _Part:
    if not isinstance(told, Struct):
        return old if fill else cleared
    # Both have the same fields in the same order.
    pairs = zip(structs.astuple(old), structs.astuple(told), strict=True)
    if fill:
        return old.__class__(*[was if now is UNSET or was is not None else now for was, now in pairs])
    return old.__class__(*[was if now is UNSET else now for was, now in pairs])


def _merged(
    old: dict[str, Scalar], told: Mapping[str, Scalar] | UnsetType | None, fill: bool
) -> dict[str, Scalar]:
    if not told:
        return old if fill or told is not None else {}
    if fill:
        told = {key: value for key, value in told.items() if old.get(key) is None}
    return {**old, **told}


def _hash(event_id: str) -> bytes:
    return blake2b(event_id.encode(), digest_size=SEEN_BYTES).digest()


def _is_seen(seen: bytes, wanted: bytes) -> bool:
    at = seen.find(wanted)
    while at >= 0 and at % SEEN_BYTES:  # a hash that straddles two others is no hash
        at = seen.find(wanted, at + 1)
    return at >= 0
