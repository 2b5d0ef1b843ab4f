"""Render a request anew: its lead folded up to its event, its postback as the flow has it now. Pure.

The events are those that JOIN read, in their order, and the fold is JOIN's, so the facts are those of then
and only the template, the flow's parameters and the ways of delivery are of now. What decides whether an
event fires (`on`, `when`, `require`, `repeat`) is not asked again: this request was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.flows.decide import Fire
from app.join.build import Source, Terms, fingerprint_of, render_request
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, Erased, fold
from app.leads.lead import Lead
from app.messages.request import Request
from app.templates.fault import TemplateFault


class CannotRender(Exception):
    """A request cannot be rendered anew; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request to render: its lead event, its postback, and the event that the postback reacted to."""

    lead_id: str
    event_id: str
    lead_seq: int
    flow_id: str
    postback_id: str
    event: str


def wanted(request: Request) -> Wanted:
    """What names a request whose bytes are known."""
    origin = request.origin
    return Wanted(
        origin.lead_id,
        origin.event_id,
        origin.lead_seq,
        origin.flow_id,
        origin.postback_id,
        origin.event,
    )


def render_again(told: Wanted, events: Iterable[Source], terms: Terms, now_ms: int) -> Request:
    """The request rendered at `now_ms` by the flow that `terms` know, with its old id and no attempt made.

    `events` are the records of its partition that may be its lead's, in order; other leads' are passed over.
    Raises `CannotRender`.
    """
    source, change, fire = _found(told, events, terms)
    try:
        return render_request(source, change, fire, terms, now_ms)
    except TemplateFault as fault:
        raise CannotRender(f"cannot be rendered: {fault.reason}") from None


def fingerprint_again(told: Wanted, events: Iterable[Source], terms: Terms, now_ms: int) -> str:
    """The fingerprint, in hex, that the request has when it is rendered so. Raises `CannotRender`."""
    source, change, fire = _found(told, events, terms)
    try:
        return fingerprint_of(source, change, fire, terms, now_ms)
    except TemplateFault as fault:
        raise CannotRender(f"cannot be rendered: {fault.reason}") from None


def _found(told: Wanted, events: Iterable[Source], terms: Terms) -> tuple[Source, Change, Fire]:
    flow = terms.flow_of(told.flow_id)
    if flow is None:
        raise CannotRender(f"there is no flow {told.flow_id} any more")
    postback = next((one for one in flow.postbacks if one.id == told.postback_id), None)
    if postback is None:
        raise CannotRender(f"flow {told.flow_id} has no postback {told.postback_id} any more")
    return *_change(told, events, terms), Fire(flow, postback, told.event)


def _change(told: Wanted, events: Iterable[Source], terms: Terms) -> tuple[Source, Change]:
    """The event's record and what it made of its lead."""
    lead: Lead | None = None
    for source in events:
        event = decode(source.value)
        if not isinstance(event, LeadEvent) or event.lead_id != told.lead_id:
            continue
        change = fold(lead, event, timestamp_ms=source.timestamp_ms, late_s=terms.late_s, ttl_ms=terms.ttl_ms)
        if isinstance(change, Erased):
            lead = None
        if not isinstance(change, Change):
            continue
        lead = change.lead
        if event.event_id == told.event_id and lead.seq == told.lead_seq:
            return source, change
    raise CannotRender("its lead cannot be folded up to it: not all of the events are stored")
