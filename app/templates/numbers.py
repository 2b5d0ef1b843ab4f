"""Exact decimal arithmetic: the filters `number`, `round` and `mul`.

A float is taken by its shortest decimal (what `repr` prints), so 1.005 rounds to 1.01 as a person expects.
The context is wide enough for any product that a template of 16 KiB can write: nothing is ever inexact.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal

from app.templates.values import WHITE, Value

MAX_DIGITS = 64
_ZERO = Decimal(0)
_exact = Context(prec=200_000, rounding=ROUND_HALF_UP, Emin=MIN_EMIN, Emax=MAX_EMAX)
_digits = "0123456789"


def read_number(text: str) -> Decimal | None:
    """The number that a text is, without trailing zeros; None when it is none.

    An optional sign, ASCII digits, an optional fraction with a point; white space at the ends is ignored,
    and what is left has at most 64 characters.
    """
    text = text.strip(WHITE)
    if len(text) > MAX_DIGITS:
        return None
    whole, point, fraction = text[text[:1] in ("+", "-") :].partition(".")
    if not whole or whole.strip(_digits) or fraction.strip(_digits) or (point and not fraction):
        return None
    return shortest(Decimal(text))


def shortest(number: Decimal) -> Decimal:
    """The same number without trailing zeros of its fraction and without a sign on zero."""
    return _exact.normalize(number) if number else _ZERO


def to_number(value: Value) -> Decimal | None:
    """The number of a value, exactly; None for a boolean and for a text that is no number."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        return read_number(value)
    if isinstance(value, bool) or value is None:
        return None
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def rounded(number: Decimal, decimals: int) -> Decimal:
    """The number with exactly so many decimals, half away from zero, no sign on zero."""
    result = _exact.quantize(number, Decimal(1).scaleb(-decimals))
    return result if result else result.copy_abs()


def whole_thousands(number: Decimal) -> int:
    """A thousand times the number, its fraction cut."""
    return int(_exact.scaleb(number, 3))


def product(number: Decimal, factor: Decimal) -> Decimal:
    """The exact product, without trailing zeros."""
    return shortest(_exact.multiply(number, factor))
