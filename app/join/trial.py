"""One request made to be tried: of an event as the first of its lead, or of a lead as it is."""

from __future__ import annotations

from msgspec import structs

from app.flows.decide import Fire
from app.flows.delivery import Delivery
from app.flows.flow import Flow, Postback
from app.flows.postback import tokens_of
from app.join.build import Source, render_request
from app.join.terms import terms_of
from app.kit.secrets import Secrets
from app.leads.events import LeadEvent
from app.leads.fold import Change, occurred_ms, preview_lead
from app.messages.request import Request
from app.settings import Settings
from app.templates.preview import Ask
from app.templates.program import compile_template

TRIAL = "test"
"""The ids of what has none of its own."""


def trial_change(event: LeadEvent, flow: Flow | None, now_ms: int) -> Change:
    """The event as the first of its lead: of a lead of this flow."""
    lead = preview_lead(event)
    lead = structs.replace(lead, flow_id=flow.flow_id, lead_id=lead.lead_id or TRIAL) if flow else lead
    fires_alone = event.status is None and not event.goal
    return Change(
        lead,
        event,
        occurred_ms(event, now_ms),
        event.status,
        event.goal or None,
        price_changed=fires_alone and (lead.price is not None or lead.currency is not None),
    )


def template_request(
    ask: Ask, event: LeadEvent, settings: Settings, secrets: Secrets, now_ms: int
) -> Request:
    """The request that a template makes of an event, without a flow. Raises `TemplateFault`."""
    made = Postback(
        TRIAL,
        (),
        ask.template,
        compile_template(ask.template, ask.headers, omit_empty=ask.omit_empty),
        Delivery(tokens=tokens_of(ask.template)),
        headers=ask.headers,
    )
    flow = Flow(TRIAL, TRIAL, (made,), params=ask.params)
    change = trial_change(event, None, now_ms)
    fire = Fire(flow, made, change.status or ("goal" if change.goal else ""))
    return trial_request(fire, change, settings, secrets, now_ms)


def trial_request(fire: Fire, change: Change, settings: Settings, secrets: Secrets, now_ms: int) -> Request:
    """The request that `fire` makes of the change, whatever was sent before. Raises `TemplateFault`."""
    terms = terms_of(settings, {fire.flow.flow_id: fire.flow}.get, secrets)
    return render_request(Source("", 0, 0, now_ms, None, None), change, fire, terms, now_ms)
