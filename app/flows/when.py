"""The conditions of a postback: `when` of a flow config, all of which must hold of the folded lead.

A field may be asked for one value, for any of a list, for `{"not": […]}`, for `{"min": a, "max": b}`
(both included) or for several of these. A missing value meets only `null`: `{"not": ["UA"]}` does not
hold of a lead without a country.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from app.flows.compare import is_any, is_between, scalars
from app.flows.fault import members, number, refuse, within
from app.leads.events import Scalar
from app.leads.lead import Lead
from app.templates.names import nearest
from app.templates.numbers import to_number

FIELDS = (
    "geo",
    "lang",
    "currency",
    "goal",
    "price",
    "subid",
    "utm_source",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "utm_medium",
)
_KEYS = ("not", "min", "max")
_MOST = 1e300


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field is asked for; None asks for nothing."""

    field: str
    value_of: Callable[[Lead], Scalar]
    any_of: tuple[Scalar, ...] | None = None
    none_of: tuple[Scalar, ...] | None = None
    low: Decimal | None = None
    high: Decimal | None = None

    def holds(self, lead: Lead) -> bool:
        """Whether it holds of the lead."""
        found = self.value_of(lead)
        if self.any_of is not None:
            return is_any(self.any_of, found)
        if found is None or (self.none_of is not None and is_any(self.none_of, found)):
            return False
        return (self.low is None and self.high is None) or is_between(found, self.low, self.high)


def read_when(value: object, place: str) -> tuple[Condition, ...]:
    """The conditions of a postback. Raises `FlowFault`."""
    return tuple(_condition(key, asked, within(place, key)) for key, asked in members(value, place).items())


def _condition(field: str, asked: object, place: str) -> Condition:
    value_of = _getter(field, place)
    if not isinstance(asked, dict):
        return Condition(field, value_of, any_of=scalars(asked, place))
    told = members(asked, place, _KEYS)
    if not told:
        refuse(place, 'expected a value, a list, {"not": […]} or {"min": a, "max": b}')
    low = _bound(told, "min", place)
    high = _bound(told, "max", place)
    if low is not None and high is not None and low > high:
        refuse(place, "min is over max: it can never hold")
    none_of = None
    if "not" in told:
        none_of = scalars(told["not"], within(place, "not"))
    return Condition(field, value_of, none_of=none_of, low=low, high=high)


def _bound(told: object, key: str, place: str) -> Decimal | None:
    assert isinstance(told, dict)
    if key not in told:
        return None
    return to_number(number(told[key], within(place, key), -_MOST, _MOST))


def _getter(field: str, place: str) -> Callable[[Lead], Scalar]:
    room, point, name = field.partition(".")
    if point and name and room == "tag":
        return partial(_tag, name)
    if point and name and room == "meta":
        return partial(_meta, name)
    if field in _PLAIN:
        return _PLAIN[field]
    if field in FIELDS:
        return partial(_tag, field)
    known = (*FIELDS, f"tag.{field}", f"meta.{field}")
    return refuse(place, f"unknown field; did you mean {nearest(field, known)}?")


def _tag(name: str, lead: Lead) -> Scalar:
    return lead.tags.get(name)


def _meta(name: str, lead: Lead) -> Scalar:
    return lead.meta.get(name)


_PLAIN: dict[str, Callable[[Lead], Scalar]] = {
    "geo": lambda lead: lead.click.geo,
    "lang": lambda lead: lead.click.lang,
    "currency": lambda lead: lead.currency,
    "goal": lambda lead: lead.goal,
    "price": lambda lead: lead.price,
}
