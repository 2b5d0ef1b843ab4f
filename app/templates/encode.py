"""How a value is written so that it cannot break out of its place.

A `Place` is a kind of place in a request; `encode` is what a value becomes there, `MISSING` what stands
there without one. A secret's slot carries the name of its place, so these names are part of the messages
between the stages.
"""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring as _json_text  # C; escapes exactly what RFC 8259 requires
from typing import Literal

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


def json_string(text: str) -> str:
    """A JSON string literal with its quotes."""
    return _json_text(text)


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


def bare_json(value: Present) -> str:
    """A value as JSON outside a string: numbers and booleans as they are, a text as a JSON string."""
    if isinstance(value, Bare):
        return str(value)
    if isinstance(value, str):
        return _json_text(value)
    return text_of(value)


_ENCODERS: dict[Place, Callable[[Present], str]] = {
    "path": lambda value: percent_path(text_of(value)),
    "pair": lambda value: percent(text_of(value)),
    "json-string": lambda value: in_json_string(text_of(value)),
    "json": lambda value: bare_json(value),
    "pair-json-string": lambda value: percent(in_json_string(text_of(value))),
    "pair-json": lambda value: percent(bare_json(value)),
    "header": lambda value: without_controls(text_of(value)),
    "raw": lambda value: raw(text_of(value)),
}


def encoder(place: Place) -> Callable[[Present], str]:
    """What turns a value into its text in that place."""
    return _ENCODERS[place]


def is_bare(place: Place) -> bool:
    """Whether a value there is JSON outside a string."""
    return place in ("json", "pair-json")
