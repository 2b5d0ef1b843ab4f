"""What the macros of a template may draw on when it is rendered.

`Facts` only points at the folded lead and the event: nothing is copied for a rendering. What a template
reads is generated as one Python function, from the expressions of its macros in the table below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.leads.lead import Lead
from app.templates.names import CLICK, CUSTOMER, KNOWN, is_known
from app.templates.values import Value, moment, settle


def _no_secret(_: str) -> str | None:
    return None


class Facts(Struct):
    """The folded lead, the event, and what JOIN decided: one postback's rendering draws on these.

    `event` is what the postback reacted to; `now_ms` and `time_ms` (the event's own time, None when it is
    not known) are Unix milliseconds; `params` are the flow's; `postback` and `request` are None in a
    preview without a flow. `secret` is asked by `hmac` alone.
    """

    lead: Lead
    now_ms: int
    time_ms: int | None = None
    event: str | None = None
    event_id: str | None = None
    postback: str | None = None
    request: str | None = None
    random: str | None = None
    params: Mapping[str, Value] = {}
    secret: Callable[[str], str | None] = _no_secret

    @property
    def geo(self) -> str | None:
        """The click's country."""
        return self.lead.click.geo


Getter = Callable[[Facts], Value]

_EXPRESSIONS: dict[str, str] = {
    "id": "lead.lead_id",
    "click": "click.id",
    "flow": "lead.flow_id",
    "status": "lead.status",
    "stage": "lead.status",
    "event": "facts.event",
    "goal": "lead.goal",
    "uid": "lead.uid",
    "reason": "lead.reason",
    "price": "lead.price",
    "cash": "lead.price",
    "currency": "lead.currency",
    **{name: f"customer.{name}" for name in CUSTOMER},
    **{name: f"click.{name}" for name in CLICK},
    "now": "moment(facts.now_ms)",
    "time": "None if facts.time_ms is None else moment(facts.time_ms)",
    "event_id": "facts.event_id",
    "postback": "facts.postback",
    "request": "facts.request",
    "random": "facts.random",
}
_OF_PREFIX = {
    "meta": "meta.get({!r})",
    "tag": "tags.get({!r})",
    "param": "facts.params.get({!r})",
    "secret": "facts.secret({!r})",
}


def expression(name: str) -> str:
    """The value of a macro of that name as a Python expression of `facts` and of what `reading` names.

    A raw macro's `_` is left out; an unknown name is a tag's. The value may be a blank text, which counts
    as missing.
    """
    if name in _EXPRESSIONS:
        return _EXPRESSIONS[name]
    prefix, _, rest = name.partition(".")
    if not is_known(name) or name in KNOWN:
        prefix, rest = "tag", name
    return _OF_PREFIX[prefix].format(rest)


def reading(result: str, **names: object) -> Callable[..., Any]:
    """A function, from the expression of its result, of facts and of what a caller gives as `asked`.

    `names` are what the expression may use beside `lead`, its parts, and `moment`. The same expression is
    compiled once: it depends on the names of macros alone, which stand in it as literals.
    """
    return _compiled(result, tuple(names.items()))


@lru_cache(maxsize=4096)
def _compiled(result: str, names: tuple[tuple[str, object], ...]) -> Callable[..., Any]:
    parts = "".join([f"    {part} = lead.{part}\n" for part in _PARTS if f"{part}." in result])
    source = f"def read(facts, asked=()):\n    lead = facts.lead\n{parts}    return {result}\n"
    made: dict[str, Any] = {"moment": moment, **dict(names)}
    exec(source, made)  # noqa: S102 - made of the table above and of names as literals
    return made["read"]  # type: ignore[no-any-return]


_PARTS = ("click", "customer", "tags", "meta")


def getter(name: str) -> Getter:
    """What reads a macro of that name; its value may be a blank text, which counts as missing."""
    return reading(expression(name))


def value_of(facts: Facts, name: str) -> Value:
    """The value of the macro of that name, None when it is missing: what `require` asks."""
    return settle(getter(name)(facts))
