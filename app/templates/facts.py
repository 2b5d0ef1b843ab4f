"""What the macros of a template may draw on when it is rendered.

`Facts` only points at the folded lead and the event: nothing is copied for a rendering. A macro compiles to
a getter of the table below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.leads.lead import Lead
from app.templates.names import CLICK, CUSTOMER, WELL_KNOWN_TAGS, is_known
from app.templates.values import Value, moment, settle


class Facts:
    """The folded lead, the event, and what JOIN decided: one postback's rendering draws on these.

    `event` is what the postback reacted to; `now_ms` and `time_ms` (the event's own time, None when it is
    not known) are Unix milliseconds; `params` are the flow's; `postback` and `request` are None in a
    preview without a flow. `secret` is asked by `hmac` alone.
    """

    __slots__ = (
        "event",
        "event_id",
        "lead",
        "now_ms",
        "params",
        "postback",
        "random",
        "request",
        "secret",
        "time_ms",
    )

    def __init__(
        self,
        lead: Lead,
        *,
        now_ms: int,
        time_ms: int | None = None,
        event: str | None = None,
        event_id: str | None = None,
        postback: str | None = None,
        request: str | None = None,
        random: str | None = None,
        params: Mapping[str, Value] | None = None,
        secret: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.lead = lead
        self.now_ms = now_ms
        self.time_ms = time_ms
        self.event = event
        self.event_id = event_id
        self.postback = postback
        self.request = request
        self.random = random
        self.params = params or {}
        self.secret = secret

    @property
    def geo(self) -> str | None:
        """The click's country."""
        return self.lead.click.geo


Getter = Callable[[Facts], Value]


def _tag(name: str) -> Getter:
    return lambda facts: facts.lead.tags.get(name)


def _click(name: str) -> Getter:
    return lambda facts: getattr(facts.lead.click, name)


def _customer(name: str) -> Getter:
    return lambda facts: getattr(facts.lead.customer, name)


_GETTERS: dict[str, Getter] = {
    "id": lambda facts: facts.lead.lead_id,
    "click": lambda facts: facts.lead.click.id,
    "flow": lambda facts: facts.lead.flow_id,
    "status": lambda facts: facts.lead.status,
    "stage": lambda facts: facts.lead.status,
    "event": lambda facts: facts.event,
    "goal": lambda facts: facts.lead.goal,
    "uid": lambda facts: facts.lead.uid,
    "reason": lambda facts: facts.lead.reason,
    "price": lambda facts: facts.lead.price,
    "cash": lambda facts: facts.lead.price,
    "currency": lambda facts: facts.lead.currency,
    **{name: _customer(name) for name in CUSTOMER},
    **{name: _click(name) for name in CLICK},
    "now": lambda facts: moment(facts.now_ms),
    "time": lambda facts: None if facts.time_ms is None else moment(facts.time_ms),
    "event_id": lambda facts: facts.event_id,
    "postback": lambda facts: facts.postback,
    "request": lambda facts: facts.request,
    "random": lambda facts: facts.random,
    **{name: _tag(name) for name in WELL_KNOWN_TAGS},
}


def getter(name: str) -> Getter:
    """What reads a macro of that name, `_` of a raw one left out; an unknown name is a tag's.

    The value may be a blank text, which counts as missing.
    """
    if name in _GETTERS:
        return _GETTERS[name]
    prefix, _, rest = name.partition(".")
    if not is_known(name):
        return _tag(name)
    if prefix == "meta":
        return lambda facts: facts.lead.meta.get(rest)
    if prefix == "tag":
        return _tag(rest)
    if prefix == "param":
        return lambda facts: facts.params.get(rest)
    return lambda facts: facts.secret(rest)


def value_of(facts: Facts, name: str) -> Value:
    """The value of the macro of that name, None when it is missing: what `require` asks."""
    return settle(getter(name)(facts))
