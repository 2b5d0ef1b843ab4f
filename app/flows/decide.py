"""Decide what a change fires: which flow serves it, which postbacks, and why the others do not.

Pure. Rendering follows for each `Fire`, and `unchanged` is asked with the rendering's fingerprint.

The flow of the lead serves. Flow `*` serves when that flow is unknown, or is enabled but has no enabled
postback on the event (`when` and what was sent before do not count). A disabled flow silences `*` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

from msgspec import Struct, structs

from app.flows.flow import Flow, Postback
from app.leads.fold import Change
from app.leads.lead import SENT_LIMIT, Lead, Sent
from app.templates.facts import Facts, value_of

GLOBAL = "*"
FlowOf = Callable[[str], Flow | None]


class Fire(Struct, frozen=True):
    """A postback that reacts to the change; `event` is what it reacted to."""

    flow: Flow
    postback: Postback
    event: str


class Skip(Struct, frozen=True):
    """Nothing is sent, and why. Without a postback it speaks of the event as a whole."""

    reason: str
    event: str
    flow: Flow | None = None
    postback: Postback | None = None


Decision = Fire | Skip


def decide(change: Change, flow_of: FlowOf) -> list[Decision]:
    """Everything that a change fires and skips, in the order of the postbacks.

    `flow_of` gives a flow by its id, None for an unknown one.
    """
    if change.silent:
        return [Skip("silent", what)] if (what := _what(change)) else []
    late: list[Decision] = []
    if change.late:
        late = [Skip("late", change.event.status or "", flow_of(change.lead.flow_id))]
        if change.goal is None:
            return late
    return [*late, *_served(change, flow_of)]


def _served(change: Change, flow_of: FlowOf) -> Iterator[Decision]:
    own = flow_of(change.lead.flow_id)
    if own is not None:
        if not own.enabled:
            yield from _silenced(change, own)
            return
        yield from _of_flow(change, own)
        if own.flow_id == GLOBAL or _meets_enabled(change, own):
            return
    shared, what = flow_of(GLOBAL), _what_fires(change)
    if shared is not None and shared.enabled:
        yield from _of_flow(change, shared)
        if own is None and what and not any(met(postback.on, change) for postback in shared.postbacks):
            yield Skip("no flow", what)
    elif own is None and what:
        yield Skip("no flow", what) if shared is None else Skip("disabled", what, shared)


def met(on: tuple[str, ...], change: Change) -> str | None:
    """What a postback reacts to: the first of its entries that the change meets; None when it meets none."""
    for entry in on:
        if entry == change.status:
            return entry
        if entry == "any" and (what := _what_fires(change)):
            return what
        if change.goal is not None and (entry == "goal" or entry == f"goal:{change.goal}"):
            return entry
        if entry == "price" and change.price_changed:
            return entry
    return None


def request_id(lead_id: str, event_id: str, flow_id: str, postback_id: str) -> str:
    """The id of the request that a postback makes of an event, the same whenever it is made again.

    `flow_id` is the flow that holds the postback. 32 hex digits of BLAKE2b; the parts are hashed with their
    lengths, so that no two different events share an id.
    """
    text = f"{len(lead_id)} {len(event_id)} {len(flow_id)} {lead_id}{event_id}{flow_id}{postback_id}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def unchanged(lead: Lead, fire: Fire, fingerprint: bytes) -> str | None:
    """The id of the request last emitted for this lead and postback if it was the same; None to emit.

    None as well for a postback that repeats always.
    """
    if fire.postback.repeat == "always":
        return None
    key = (fire.flow.flow_id, fire.postback.id)
    for sent in lead.sent:
        if (sent.flow_id, sent.postback_id) == key:
            return sent.request_id if sent.fingerprint == fingerprint else None
    return None


def remember_sent(lead: Lead, emitted: list[Sent]) -> Lead:
    """The lead that remembers what was emitted, of its 32 latest postbacks."""
    if not emitted:
        return lead
    latest = {(sent.flow_id, sent.postback_id): sent for sent in emitted}
    kept = [sent for sent in lead.sent if (sent.flow_id, sent.postback_id) not in latest]
    return structs.replace(lead, sent=(*kept, *latest.values())[-SENT_LIMIT:])


def _of_flow(change: Change, flow: Flow) -> Iterator[Decision]:
    for postback in flow.postbacks:
        event = met(postback.on, change)
        if event is None:
            if flow.log_skips == "all":
                yield Skip("not on this event", _what_fires(change) or "", flow, postback)
        elif not postback.enabled:
            yield Skip("disabled", event, flow, postback)
        elif (failing := _failing_condition(postback, change.lead)) is not None:
            yield Skip(f"condition: {failing}", event, flow, postback)
        elif (empty := _empty_macro(change, flow, postback, event)) is not None:
            yield Skip(f"empty: {empty}", event, flow, postback)
        else:
            yield Fire(flow, postback, event)


def _silenced(change: Change, flow: Flow) -> list[Decision]:
    """A row for each postback that the disabled flow kept from firing, or one for the event."""
    what = _what_fires(change)
    if what is None:
        return []
    rows: list[Decision] = [
        Skip("disabled", event, flow, postback)
        for postback in flow.postbacks
        if (event := met(postback.on, change)) is not None
    ]
    return rows or [Skip("disabled", what, flow)]


def _meets_enabled(change: Change, flow: Flow) -> bool:
    return any(postback.enabled and met(postback.on, change) is not None for postback in flow.postbacks)


def _failing_condition(postback: Postback, lead: Lead) -> str | None:
    for condition in postback.when:
        if not condition.holds(lead):
            return condition.field
    return None


def _empty_macro(change: Change, flow: Flow, postback: Postback, event: str) -> str | None:
    if not postback.require:
        return None
    facts = Facts(
        change.lead,
        now_ms=change.occurred_at,
        time_ms=change.occurred_at,
        event=event,
        event_id=change.event.event_id,
        postback=postback.id,
        request=postback.id,  # what these two will be is not known yet, but they are never missing
        random=postback.id,
        params=flow.params,
    )
    return next((told for told in postback.require if _lacks(facts, told)), None)


def _lacks(facts: Facts, told: str) -> bool:
    """Whether none of the macros of an entry of `require` (`email|phone`) has a value."""
    return all(value_of(facts, name) is None for name in told.split("|"))


def _what_fires(change: Change) -> str | None:
    """What `any` reacts to: the status, else `goal`, else `price`; None when the change fires nothing."""
    if change.status is not None:
        return change.status
    if change.goal is not None:
        return "goal"
    return "price" if change.price_changed else None


def _what(change: Change) -> str | None:
    """What the change would fire, a late status included."""
    return _what_fires(change) or change.event.status
