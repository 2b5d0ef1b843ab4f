"""Compare a value that a config names with one that a lead or an answer has.

Two texts, two numbers, two booleans are compared as what they are. A number and a text are compared as
numbers where the text is one, because tags and answers often carry numbers as text; a boolean and a text
by the words `true` and `false`. A missing value equals null alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from app.flows.fault import refuse
from app.leads.events import Scalar
from app.leads.plain import kind, scalar_fault
from app.templates.numbers import to_number


def is_equal(wanted: Scalar, found: Scalar) -> bool:
    """Whether a found value is the wanted one."""
    if wanted is None or found is None:
        return wanted is found
    if isinstance(wanted, bool) or isinstance(found, bool):
        return _word(wanted) == _word(found)
    if isinstance(wanted, str) == isinstance(found, str):
        return wanted == found
    number = to_number(wanted)
    return number is not None and number == to_number(found)


def is_any(wanted: Iterable[Scalar], found: Scalar) -> bool:
    """Whether a found value is one of the wanted ones."""
    return any(is_equal(one, found) for one in wanted)


def is_between(found: Scalar, low: Decimal | None, high: Decimal | None) -> bool:
    """Whether a found value is a number (or a text that is one) within the bounds, both included."""
    number = to_number(found)
    return number is not None and (low is None or low <= number) and (high is None or number <= high)


def scalar(value: object, place: str) -> Scalar:
    """Read a text, a number, a boolean or null. Raises `FlowFault`."""
    if reason := scalar_fault(value):
        refuse(place, reason)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return refuse(place, f"expected a text, a number, a boolean or null, got {kind(value)}")


def scalars(value: object, place: str) -> tuple[Scalar, ...]:
    """Read one such value or a list of them. Raises `FlowFault`."""
    if not isinstance(value, list):
        return (scalar(value, place),)
    if not value:
        refuse(place, "an empty list can never hold")
    return tuple(scalar(one, f"{place}[{index}]") for index, one in enumerate(value))


def _word(value: str | int | float | bool) -> object:
    """A boolean as its word; a number stays what it is and so equals no boolean."""
    return ("false", "true")[value] if isinstance(value, bool) else value
