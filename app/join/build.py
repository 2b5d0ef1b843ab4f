"""What one lead event leads to: the lead after it, requests, rows, or a rejection. Pure.

The same record, lead and flows give the same ids and rows whenever they are handled again; only what is
rendered from `{now}` and `{random}` differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from app.flows.decide import Decision, Fire, FlowOf, decide, remember_sent, request_id, unchanged
from app.flows.flow import Flow, Postback
from app.leads.events import LeadEvent, Scalar, decode
from app.leads.fold import Change, Erased, Rejected, Repeat, fold
from app.leads.lead import Lead, Sent
from app.leads.malformed import Malformed
from app.messages.erasure import Erasure
from app.messages.record import Address, LogRecord, Outcome, unsent_id
from app.messages.request import Origin, Request, Tags
from app.templates.facts import Facts
from app.templates.fault import TemplateFault
from app.templates.program import Rendered
from app.templates.text import show
from app.templates.values import text_of

MAX_HEADERS_BYTES = 64 * 1024
"""What the header values of a request may come to: a record of `postback-requests` has to hold them."""
_MOST_SHOWN = 1024  # code points of a tag or click id in a row; macros have the whole
_STATISTICS = Tags.__struct_fields__


class Source(Struct, frozen=True):
    """The record of a lead event: its address, its Kafka timestamp, its bytes."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None

    @property
    def address(self) -> Address:
        """Partition, offset and index 0: a lead event is alone in its record."""
        return Address(self.partition, self.offset, 0)


class Terms(Struct, frozen=True):
    """What JOIN knows beside the record and the lead. `random` gives a fresh text, `secret` a secret."""

    flow_of: FlowOf
    secret: Callable[[str], str | None]
    random: Callable[[], str]
    late_s: float
    ttl_ms: int
    worker: str
    dry_run: bool = False


class Effects(Struct):
    """What is to be done for one event, in this order: requests and rows (or the rejection, or the erasure),
    the lead."""

    result: Literal["folded", "repeat", "rejected", "erased"]
    lead: Lead | None = None
    requests: list[Request] = []
    records: list[LogRecord] = []
    rejected: str | None = None
    erasure: Erasure | None = None


def join(source: Source, lead_of: Callable[[str], Lead | None], terms: Terms, now_ms: int) -> Effects:
    """Handle one lead event at `now_ms` (Unix milliseconds); `lead_of` gives the lead as it is now."""
    event = decode(source.value)
    if isinstance(event, Malformed):
        return _rejected(source, str(event), None, terms, now_ms)
    folded = fold(
        lead_of(event.lead_id),
        event,
        timestamp_ms=source.timestamp_ms,
        late_s=terms.late_s,
        ttl_ms=terms.ttl_ms,
    )
    if isinstance(folded, Repeat):
        return Effects("repeat")
    if isinstance(folded, Erased):
        return Effects("erased", erasure=Erasure(event.lead_id, folded.until))
    if isinstance(folded, Rejected):
        return _rejected(source, folded.reason, event, terms, now_ms)
    return _fired(_Firing(source, folded, terms, now_ms, Effects("folded")))


class _Firing(Struct):
    """One change while its decisions are carried out."""

    source: Source
    change: Change
    terms: Terms
    now_ms: int
    effects: Effects
    sent: list[Sent] = []


def _fired(firing: _Firing) -> Effects:
    for decision in decide(firing.change, firing.terms.flow_of):
        if isinstance(decision, Fire):
            _render(firing, decision)
        else:
            _row(firing, decision, "skipped", decision.reason)
    firing.effects.lead = remember_sent(firing.change.lead, firing.sent)
    return firing.effects


def _render(firing: _Firing, fire: Fire) -> None:
    change, flow, postback = firing.change, fire.flow, fire.postback
    identity = request_id(change.lead.lead_id, change.event.event_id, flow.flow_id, postback.id)
    try:
        rendered = _rendered(firing, fire, identity)
    except TemplateFault as fault:
        _row(firing, fire, "failed", f"cannot be rendered: {fault.reason}", identity)
        return
    fingerprint = rendered.fingerprint
    same_as = unchanged(change.lead, fire, fingerprint)
    if same_as is not None:
        _row(firing, fire, "skipped", f"unchanged: the same as request {same_as}", identity)
        return
    firing.effects.requests.append(_request(firing, fire, rendered, identity))
    if not firing.terms.dry_run:
        firing.sent.append(Sent(flow.flow_id, postback.id, fingerprint, identity))


def render_request(source: Source, change: Change, fire: Fire, terms: Terms, now_ms: int) -> Request:
    """The request that `fire` makes of a change, whatever was sent before. Raises `TemplateFault`."""
    return render_fire(source, change, fire, terms, now_ms)[0]


def render_fire(
    source: Source, change: Change, fire: Fire, terms: Terms, now_ms: int
) -> tuple[Request, Sent]:
    """The same request, and what its lead remembers of it once it is emitted. Raises `TemplateFault`."""
    firing = _Firing(source, change, terms, now_ms, Effects("folded"))
    flow_id, postback_id = fire.flow.flow_id, fire.postback.id
    identity = request_id(change.lead.lead_id, change.event.event_id, flow_id, postback_id)
    rendered = _rendered(firing, fire, identity)
    sent = Sent(flow_id, postback_id, rendered.fingerprint, identity)
    return _request(firing, fire, rendered, identity), sent


def fingerprint_of(source: Source, change: Change, fire: Fire, terms: Terms, now_ms: int) -> str:
    """The fingerprint, in hex, of the request that `fire` makes of a change. Raises `TemplateFault`."""
    firing = _Firing(source, change, terms, now_ms, Effects("folded"))
    return _rendered(firing, fire, "").fingerprint.hex()


def _rendered(firing: _Firing, fire: Fire, identity: str) -> Rendered:
    rendered = fire.postback.program.render(_facts(firing, fire, identity))
    _check_headers(rendered)
    return rendered


def _request(firing: _Firing, fire: Fire, rendered: Rendered, identity: str) -> Request:
    return Request(
        request_id=identity,
        method=rendered.method,
        host=fire.postback.program.host,
        link=rendered.link,
        headers=rendered.headers,
        body=rendered.body,
        origin=_origin(firing, fire.flow, fire.postback, fire.event),
        due_at=firing.source.timestamp_ms + round(fire.postback.delay_s * 1000),
        delivery=fire.postback.delivery,
        dry_run=firing.terms.dry_run,
    )


def _check_headers(rendered: Rendered) -> None:
    """Raises `TemplateFault` for headers that are too long together; link and body have their own bounds."""
    if not rendered.headers:
        return
    size = sum([len(show(text).encode()) for text in rendered.headers.values()])
    if size > MAX_HEADERS_BYTES:
        raise TemplateFault(
            "header", None, f"the headers have {size} bytes, over the limit of {MAX_HEADERS_BYTES}"
        )


def _facts(firing: _Firing, fire: Fire, identity: str) -> Facts:
    return Facts(
        firing.change.lead,
        now_ms=firing.now_ms,
        time_ms=firing.change.occurred_at,
        event=fire.event,
        event_id=firing.change.event.event_id,
        postback=fire.postback.id,
        request=identity,
        random=firing.terms.random() if "random" in fire.postback.program.macros else None,
        params=fire.flow.params,
        secret=firing.terms.secret,
    )


def _origin(firing: _Firing, flow: Flow, postback: Postback, event: str) -> Origin:
    lead, change = firing.change.lead, firing.change
    return Origin(
        event_id=change.event.event_id,
        lead_id=lead.lead_id,
        lead_seq=lead.seq,
        flow_id=flow.flow_id,
        flow_version=flow.version,
        postback_id=postback.id,
        event=event,
        requested_at=firing.source.timestamp_ms,
        occurred_at=change.occurred_at,
        lead_flow_id=lead.flow_id,
        click_id=_shown(lead.click.id),
        price=lead.price,
        currency=_shown(lead.currency),
        geo=_shown(lead.click.geo),
        tags=_tags(lead),
    )


def _shown(text: str | None) -> str | None:
    return text[:_MOST_SHOWN] if text else None


def _tags(lead: Lead) -> Tags:
    """The statistics tags as the texts that a macro would print, capped."""
    return Tags(*[_tag(lead.tags.get(name)) for name in _STATISTICS]) if lead.tags else Tags()


def _tag(value: Scalar) -> str | None:
    if value is None:
        return None
    return value[:_MOST_SHOWN] if isinstance(value, str) else text_of(value)


def _row(firing: _Firing, decision: Decision, outcome: Outcome, reason: str, identity: str = "") -> None:
    """A row for what is not sent."""
    change, lead, source = firing.change, firing.change.lead, firing.source
    flow, postback = decision.flow, decision.postback
    postback_id = postback.id if postback else ""
    firing.effects.records.append(
        LogRecord(
            logged_at=firing.now_ms,
            requested_at=source.timestamp_ms,
            outcome=outcome,
            attempt_id=unsent_id(source.topic, source.address, postback_id, 0, 0, outcome, decision.event),
            source=source.address,
            source_topic=source.topic,
            reason=reason,
            request_id=identity,
            event_id=change.event.event_id,
            lead_id=lead.lead_id,
            lead_seq=lead.seq,
            lead_flow_id=lead.flow_id,
            click_id=_shown(lead.click.id) or "",
            flow_id=flow.flow_id if flow else lead.flow_id,
            flow_version=flow.version if flow else -1,
            postback_id=postback_id,
            event=decision.event,
            host=postback.program.host if postback else "",
            price=lead.price,
            currency=_shown(lead.currency) or "",
            geo=_shown(lead.click.geo) or "",
            tags=_tags(lead),
            worker=firing.terms.worker,
        )
    )


def _rejected(source: Source, reason: str, event: LeadEvent | None, terms: Terms, now_ms: int) -> Effects:
    """The row of an event that goes to `lead-events-rejected`; without an event its key names the lead."""
    record = LogRecord(
        logged_at=now_ms,
        requested_at=source.timestamp_ms,
        outcome="rejected",
        attempt_id=unsent_id(source.topic, source.address, "", 0, 0, "rejected"),
        source=source.address,
        source_topic=source.topic,
        reason=reason,
        event_id=event.event_id if event else "",
        lead_id=event.lead_id if event else (source.key or b"").decode("utf-8", "replace")[:256],
        lead_flow_id=(event.flow_id or "") if event else "",
        flow_id=(event.flow_id or "") if event else "",
        worker=terms.worker,
    )
    return Effects("rejected", records=[record], rejected=reason)
