"""Plain JSON values: read from bytes, looked at, and named in the words that a fault uses.

Reading is bounded: nested deeper than 64 is refused before the parser sees it, which is recursive, and
so are `NaN` and `Infinity`, which are no JSON. A lone surrogate is read and found later, with its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

MAX_DEPTH = 64
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1

Reason = str | None
"""Why a value is wrong, for its author; None when it is sound."""


PairsHook = Callable[[list[tuple[str, Any]]], Any]


class NotPlain(ValueError):
    """Bytes are not the JSON that we read; the text says why."""


_not_white = frozenset("\x1c\x1d\x1e\x1f")


def is_blank(text: str) -> bool:
    """Whether a text is empty or all white space, and so counts as missing.

    White space is Unicode's property White_Space: `str.isspace` takes U+001C to U+001F as well.
    """
    return not text or (text.isspace() and _not_white.isdisjoint(text))


def read_plain(value: bytes, pairs_hook: PairsHook | None = None) -> object:
    """The JSON value of some bytes, whatever is in it; of equal keys the last counts.

    `pairs_hook` makes an object of its pairs. Raises `NotPlain`.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise NotPlain(f"not UTF-8: byte {fault.start} ({value[fault.start]:#04x})") from None
    if _too_deep(text):
        raise NotPlain(f"nested deeper than {MAX_DEPTH}")
    try:
        return json.loads(
            text, object_pairs_hook=pairs_hook, parse_constant=_refuse_constant, parse_int=_integer
        )
    except ValueError as fault:
        raise NotPlain(f"not JSON: {fault}") from None


def scalar_fault(value: object) -> Reason:
    """Why a value is no text, number, boolean or null that can be sent."""
    if isinstance(value, str):
        return surrogate(value)
    if isinstance(value, dict | list):
        return f"expected a text, a number, a boolean or null, got {kind(value)}"
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        return "an integer outside -2^63 … 2^64-1"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "an infinite number"
    return None


def surrogate(text: str) -> Reason:
    """A lone surrogate (RFC 8259, section 8.2) is no character: it could not be sent as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        return f"a lone surrogate, \\u{ord(text[fault.start]):04x}"
    return None


_token = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_plain_key = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _token.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth > MAX_DEPTH:
                    return True
            case "]" | "}":
                depth -= 1
    return False


def _integer(digits: str) -> int:
    """An integer, or one as far out of range: Python reads no number of over 4,300 digits."""
    return int(digits) if len(digits) <= 20 else int(digits[:21])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def kind(value: object) -> str:
    """What a value is, in the words of a fault."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case _:
            return "an object"


def shown(text: str) -> str:
    """A text quoted for a fault: cut, and with nothing in it that is not printable."""
    return json.dumps(text if len(text) <= 60 else text[:60] + "…", ensure_ascii=not text.isprintable())


def step(path: str, key: str) -> str:
    """The path of a member of the object at `path`."""
    if _plain_key.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{shown(key)}]"
