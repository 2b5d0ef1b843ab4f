"""What a postback has not sent of the events of a time: a backfill's decisions, lead after lead. Pure.

The events are folded as JOIN folds them, and the flow of now decides by all its rules. For `repeat` a request
that was made before counts as it reads by the flow of now: what says nothing beyond it is not sent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import structs

from app.flows.decide import GLOBAL, Fire, Skip, decide, remember_sent, unchanged
from app.join.build import Source, Terms, render_fire
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, Erased, Rejected, fold
from app.leads.lead import Lead, Sent
from app.messages.request import Request
from app.outbound.policy import overdue
from app.queries.stored import Span
from app.templates.fault import TemplateFault

PAST_DEADLINE = "past the deadline"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which postback, for which events. `ignore_deadline`: also what is too old for its deadline."""

    span: Span
    postback_id: str
    ignore_deadline: bool = False


@dataclass(frozen=True, slots=True)
class Stays:
    """An event of the span for which nothing is sent, and why."""

    reason: str


Decided = Request | Stays


@dataclass(frozen=True, slots=True)
class Known:
    """What was made before, by request id with what became of it; `folded_to` is where JOIN is.

    `folded_to` is the offset of the first lead event that JOIN may still come to.
    """

    made: Mapping[str, str]
    folded_to: int


def backfill(
    events: Iterable[Source], asked: Asked, known: Known, terms: Terms, now_ms: int
) -> Iterator[Decided]:
    """What comes of one lead's events, in their order: requests to send, and why others are not.

    The requests have JOIN's ids and are marked `backfilled`. `terms` know the flows of now.
    """
    lead: Lead | None = None
    for source in events:
        is_asked = source.timestamp_ms in asked.span
        if source.offset >= known.folded_to:
            if is_asked:
                yield Stays("JOIN has not come to it yet")
            continue
        event = decode(source.value)
        folded = (
            fold(lead, event, timestamp_ms=source.timestamp_ms, late_s=terms.late_s, ttl_ms=terms.ttl_ms)
            if isinstance(event, LeadEvent)
            else Rejected(str(event))
        )
        if isinstance(folded, Rejected) and is_asked:
            yield Stays("rejected")
        if isinstance(folded, Erased):
            lead = None
        if isinstance(folded, Change):
            one = _One(source, folded, asked, known, terms, now_ms)
            decided, emitted = _decided(one, is_asked)
            lead = remember_sent(folded.lead, emitted)
            yield from decided


@dataclass(frozen=True, slots=True)
class _One:
    """One change while the postback decides."""

    source: Source
    change: Change
    asked: Asked
    known: Known
    terms: Terms
    now_ms: int


def _decided(one: _One, is_asked: bool) -> tuple[list[Decided], list[Sent]]:
    """What comes of a change, and what its lead is to remember as emitted."""
    stays: list[Decided] = []
    for decision in decide(one.change, one.terms.flow_of):
        if isinstance(decision, Skip):
            if is_asked and _is_about(decision, one):
                stays.append(Stays(decision.reason))
        elif (decision.flow.flow_id, decision.postback.id) == (one.asked.span.flow_id, one.asked.postback_id):
            decided, emitted = _fired(one, decision, is_asked)
            return [*stays, *decided], emitted  # a late status may come with a goal, which is never late
    return stays, []


def _fired(one: _One, fire: Fire, is_asked: bool) -> tuple[list[Decided], list[Sent]]:
    try:
        request, sent = render_fire(one.source, one.change, fire, one.terms, one.now_ms)
    except TemplateFault as fault:
        return [Stays(f"cannot be rendered: {fault.reason}")] if is_asked else [], []
    before = one.known.made.get(sent.request_id)
    if before is not None:
        return [Stays(f"made before: {before}")] if is_asked else [], [sent]
    if not is_asked:
        return [], []
    if unchanged(one.change.lead, fire, sent.fingerprint) is not None:
        return [Stays("unchanged")], []
    if not one.asked.ignore_deadline and overdue(request, one.now_ms) is not None:
        return [Stays(PAST_DEADLINE)], []
    return [structs.replace(request, backfilled=True)], [sent]


def _is_about(skip: Skip, one: _One) -> bool:
    """Whether a skip is the postback's, or of the whole event and the postback reacts to such."""
    if skip.reason == "not on this event":
        return False
    flow_id = one.asked.span.flow_id
    if skip.postback is not None:
        return skip.flow is not None and (skip.flow.flow_id, skip.postback.id) == (
            flow_id,
            one.asked.postback_id,
        )
    flow = one.terms.flow_of(flow_id)
    postback = next((p for p in flow.postbacks if p.id == one.asked.postback_id), None) if flow else None
    own = one.change.lead.flow_id
    serves = own == flow_id or (flow_id == GLOBAL and one.terms.flow_of(own) is None)
    return serves and postback is not None and _reacts(postback.on, skip.event)


def _reacts(on: Container[str], event: str) -> bool:
    return event in on or "any" in on
