"""How a value is written so that it cannot break out of its place.

A `Place` is a kind of place in a request; `encode` is what a value becomes there, `MISSING` what stands
there without one. A secret's slot carries the name of its place, so these names are part of the messages
between the stages.
"""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring as _json_text  # C; escapes exactly what RFC 8259 requires
from typing import Literal, TypeGuard

from app.templates.values import Bare, Present, text_of

Place = Literal["path", "pair", "json-string", "json", "pair-json-string", "pair-json", "header", "raw"]

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_IN_PATH = _UNRESERVED + ":@"
_NEVER_IN_A_LINK = frozenset(' "<>\\^`{|}#')
_HEX = frozenset("0123456789abcdefABCDEF")
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


def _table(kept: str) -> list[str]:
    return [chr(byte) if chr(byte) in kept else f"%{byte:02X}" for byte in range(256)]


_of_pair = _table(_UNRESERVED).__getitem__
_of_path = _table(_IN_PATH).__getitem__
_every = [f"%{byte:02X}" for byte in range(256)]


def percent(text: str) -> str:
    """Percent-encode all but RFC 3986's unreserved characters, as UTF-8, in upper-case hex."""
    if not text.rstrip(_UNRESERVED):
        return text
    return "".join(map(_of_pair, text.encode()))


def percent_path(text: str) -> str:
    """Percent-encode what would end or split a path segment: like `percent`, but `:` and `@` stay."""
    if not text.rstrip(_IN_PATH):
        return text
    return "".join(map(_of_path, text.encode()))


def percent_every(text: str) -> str:
    """Percent-encode each character, whatever it is."""
    return "".join([_every[byte] for byte in text.encode()])


json_string: Callable[[str], str] = _json_text
"""A JSON string literal with its quotes."""


def in_json_string(text: str) -> str:
    """What stands for a text between the quotes of a JSON string."""
    return _json_text(text)[1:-1]


def without_controls(text: str) -> str:
    """Without U+0000–001F and U+007F–009F: what a header value keeps."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def opens_escape(text: str, at: int) -> bool:
    """Whether the `%` at that index opens an escape such as `%41`."""
    return len(text) > at + 2 and text[at + 1] in _HEX and text[at + 2] in _HEX


def raw(text: str) -> str:
    """A raw value: only what can never stand in a link is encoded, control characters go."""
    text = without_controls(text)
    out: list[str] = []
    for index, char in enumerate(text):
        if char in _NEVER_IN_A_LINK or not char.isascii() or (char == "%" and not opens_escape(text, index)):
            out.append(percent_every(char))
        else:
            out.append(char)
    return "".join(out)


_ENCODERS: dict[Place, Callable[[str], str]] = {
    "path": percent_path,
    "pair": percent,
    "json-string": in_json_string,
    "json": json_string,
    "pair-json-string": lambda text: percent(in_json_string(text)),
    "pair-json": lambda text: percent(json_string(text)),
    "header": without_controls,
    "raw": raw,
}


def text_encoder(place: Place) -> Callable[[str], str]:
    """What turns a text that is not blank into what stands for it in that place."""
    return _ENCODERS[place]


def is_bare(place: Place) -> bool:
    """Whether a value there is JSON outside a string."""
    return place in ("json", "pair-json")


def encoder(place: Place) -> Callable[[Present], str]:
    """What turns a value into what stands for it in that place; numbers and booleans are bare in JSON."""
    encode = text_encoder(place)
    if not is_bare(place):
        return lambda value: encode(text_of(value))
    if place == "pair-json":
        return lambda value: encode(value) if _is_text(value) else percent(text_of(value))
    return lambda value: encode(value) if _is_text(value) else text_of(value)


def _is_text(value: Present) -> TypeGuard[str]:
    return isinstance(value, str) and not isinstance(value, Bare)
