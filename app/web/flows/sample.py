"""Whom a preview is for: a sample lead that has a value for nearly everything, or a real one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import structs

from app.flows.decide import request_id
from app.flows.flow import Flow, Postback
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, preview_lead
from app.leads.lead import Lead
from app.leads.malformed import STATUSES
from app.queries.story import Story
from app.queries.timeline import current
from app.templates.facts import Facts

_RANDOM = "5f0c81d2a7b3e946"
_GOAL = "deposit"
_EVENT = {
    "event_id": "01JD3WSAMPLE", "lead_id": "L-1001", "status": "new", "price": 12.5, "currency": "usd",
    "uid": "A-55", "reason": "no answer",
    "click": {
        "id": "c-9f3a7e", "ip": "203.0.113.7", "ua": "Mozilla/5.0 (Linux; Android 15) Mobile", "geo": "UA",
        "lang": "uk", "referer": "https://news.example/today", "url": "https://offer.example/?utm_source=fb",
    },
    "tags": {
        "utm_source": "fb", "utm_campaign": "summer", "utm_content": "banner 1", "utm_term": "shoes",
        "utm_medium": "cpc", "subid": "s-7", "adid": "AD_7", "fbclid": "IwAR2sample",
    },
    "customer": {
        "name": "Olha Ko", "phone": "+380 50 123 45 67", "email": "olha@example.com",
        "comment": "call me & ask",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """A lead and the event that last changed it; `is_real` is whether it is one of the log."""

    lead: Lead
    event_id: str
    occurred_at: int
    is_real: bool = False


def sample_lead(flow_id: str, now_ms: int) -> Sample:
    """The sample lead, of this flow."""
    event = decode(msgspec.json.encode(_EVENT))
    assert isinstance(event, LeadEvent)
    lead = structs.replace(preview_lead(event), flow_id=flow_id, status_at=now_ms, touched_at=now_ms)
    return Sample(lead, event.event_id, now_ms)


def sample_of(story: Story) -> Sample | None:
    """A lead of the log by its story; None when its events make none."""
    if (lead := current(story)) is None:
        return None
    last = next(one for one in reversed(story.events) if one.result == "folded")
    at_ms = round((last.occurred_at or last.recorded_at).timestamp() * 1000)
    return Sample(lead, last.event_id, at_ms, is_real=True)


def facts_for(
    sample: Sample, postback: Postback, flow: Flow, secret: Callable[[str], str | None], now_ms: int
) -> tuple[Change, Facts]:
    """The change that `change_for` makes, and what the postback is rendered of."""
    event, change = change_for(sample, postback, flow.flow_id)
    return change, Facts(
        change.lead,
        now_ms=now_ms,
        time_ms=change.occurred_at,
        event=event,
        event_id=sample.event_id,
        postback=postback.id,
        request=request_id(change.lead.lead_id, sample.event_id, flow.flow_id, postback.id),
        random=_RANDOM,
        params=flow.params,
        secret=secret,
    )


def change_for(sample: Sample, postback: Postback, flow_id: str) -> tuple[str, Change]:
    """What the postback reacts to first, and the change of the lead that it would be."""
    entry = postback.on[0]
    event = "new" if entry == "any" else entry
    status = event if event in STATUSES else None
    goal = (event.partition(":")[2] or _GOAL) if event.partition(":")[0] == "goal" else None
    lead = structs.replace(sample.lead, flow_id=flow_id)
    if status is not None:
        lead = structs.replace(lead, status=status)
    if goal is not None:
        lead = structs.replace(lead, goal=goal)
    told = LeadEvent(event_id=sample.event_id, lead_id=lead.lead_id, status=status)
    return event, Change(lead, told, sample.occurred_at, status, goal, price_changed=event == "price")
