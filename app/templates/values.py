"""The values that macros stand for, and the text of each.

A value is a text, a number, a boolean, or None for a missing one. A text that is empty or all white space
counts as missing everywhere: `settle` makes it None, and every text that a macro or filter yields passes
through it. White space is what Unicode calls so (property White_Space), which is less than
`str.isspace` takes: the separators U+001C to U+001F are control characters here.
"""

from __future__ import annotations

from decimal import Decimal

Present = str | int | float | bool | Decimal
"""A value that is there. A Decimal comes from `number`, `round`, `mul` and keeps its decimals."""

Value = Present | None

WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's white space (PropList.txt, White_Space)."""

WHITE_SPACE = frozenset(WHITE)


class Moment(int):
    """Unix seconds that remember their milliseconds: the value of `{now}` and `{time}`."""

    ms: int


def moment(ms: int) -> Moment:
    """The moment at `ms` Unix milliseconds."""
    made = Moment(ms // 1000)
    made.ms = ms
    return made


class Bare(str):
    """A text that goes into JSON as it stands: the argument of `default` where it is a JSON scalar."""

    __slots__ = ()


class Hashed(str):
    """A text that is a SHA-256 already: the filters after `prehashed` leave it as it is."""

    __slots__ = ()


def is_blank(text: str) -> bool:
    """Whether a text is empty or all white space."""
    return not text or (text[0] in WHITE_SPACE and not text.strip(WHITE))


def settle(value: Value) -> Value:
    """The value, or None for a text that counts as missing."""
    if isinstance(value, str) and is_blank(value):
        return None
    return value


def text_of(value: Present) -> str:
    """The text of a value that is not missing; a number as the shortest decimal without an exponent."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return int.__repr__(value)


def _float_text(value: float) -> str:
    text = repr(value)
    if text.endswith(".0"):
        return "0" if text == "-0.0" else text[:-2]
    return format(Decimal(text), "f") if "e" in text else text
