"""How a value is written so that it cannot break out of its place.

A `Place` is a kind of place in a request; `many_encoder` is what values become there. A secret's slot
carries the name of its place, so these names are part of the messages between the stages.

yarl's C quoter encodes everything but RFC 3986's unreserved characters and `! $ ' ( ) * ,`; in its `qs`
mode a space becomes `+`. Those are put right here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as _json_text  # C; escapes exactly what RFC 8259 requires
from typing import Literal, TypeGuard

from app.templates.quoting import Quoter
from app.templates.values import Bare, Present, text_of

Place = Literal["path", "pair", "json-string", "json", "pair-json-string", "pair-json", "header", "raw"]
Encode = Callable[[str], str]
EncodeMany = Callable[[Sequence[str]], list[str]]

_NEVER_IN_A_LINK = frozenset(' "<>\\^`{|}#')
_HEX = frozenset("0123456789abcdefABCDEF")
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))
_every = [f"%{byte:02X}" for byte in range(256)]

_BETWEEN = "\x7f"
"""What parts texts that are encoded in one go: JSON and the quoters below leave it as it is."""


def _quote(quoter: Encode) -> Encode:
    def quote(text: str) -> str:
        if not text.isascii():
            text.encode()  # a lone surrogate, which the quoter would drop, is an error
        text = quoter(text)
        if "+" in text:
            text = text.replace("+", "%20")
        if "(" in text:
            text = text.replace("(", "%28")
        if ")" in text:
            text = text.replace(")", "%29")
        if "," in text:
            text = text.replace(",", "%2C")
        if "'" in text:
            text = text.replace("'", "%27")
        if "!" in text:
            text = text.replace("!", "%21")
        if "*" in text:
            text = text.replace("*", "%2A")
        if "$" in text:
            text = text.replace("$", "%24")
        return text

    return quote


percent = _quote(Quoter(qs=True, requote=False))
"""Percent-encode all but RFC 3986's unreserved characters, as UTF-8, in upper-case hex."""

percent_path = _quote(Quoter(qs=True, requote=False, safe=":@"))
"""Percent-encode what would end or split a path segment: like `percent`, but `:` and `@` stay."""

_percent_between = _quote(Quoter(qs=True, requote=False, safe=_BETWEEN))
_percent_path_between = _quote(Quoter(qs=True, requote=False, safe=":@" + _BETWEEN))


def percent_every(text: str) -> str:
    """Percent-encode each character, whatever it is."""
    return "".join([_every[byte] for byte in text.encode()])


json_string: Encode = _json_text
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


def _each(encode: Encode) -> EncodeMany:
    return lambda texts: [encode(text) for text in texts]


def _at_once(encode: Encode, alone: Encode) -> EncodeMany:
    """Encode texts joined, which costs one call for all; a text that holds the mark itself by itself."""

    def encode_many(texts: Sequence[str]) -> list[str]:
        joined = _BETWEEN.join(texts)
        if joined.count(_BETWEEN) == len(texts) - 1:
            return encode(joined).split(_BETWEEN)
        return [alone(text) for text in texts]

    return encode_many


_ENCODERS: dict[Place, EncodeMany] = {
    "path": _at_once(_percent_path_between, percent_path),
    "pair": _at_once(_percent_between, percent),
    "json-string": _at_once(in_json_string, in_json_string),
    "json": _each(lambda text: text or "null"),
    "pair-json-string": _at_once(
        lambda text: _percent_between(in_json_string(text)), lambda text: percent(in_json_string(text))
    ),
    "pair-json": _each(lambda text: percent(text) if text else "null"),
    "header": _each(without_controls),
    "raw": _each(raw),
}


def many_encoder(place: Place) -> EncodeMany:
    """What turns texts, "" for a missing one, into what stands for them in that place.

    A text for JSON outside a string is what `json_scalar` makes of the value.
    """
    return _ENCODERS[place]


def is_bare(place: Place) -> bool:
    """Whether a value there is JSON outside a string."""
    return place in ("json", "pair-json")


def plain_text(value: Present | None, place: Place) -> str:
    """The text of a settled value for that place, not yet encoded; "" for a missing one."""
    if value is None:
        return ""
    return json_scalar(value) if is_bare(place) else text_of(value)


def json_scalar(value: Present) -> str:
    """A value as JSON outside a string: numbers and booleans bare."""
    return json_string(value) if _is_text(value) else text_of(value)


def encoded(value: Present | None, place: Place) -> str:
    """What stands for a settled value in that place."""
    return _ENCODERS[place]((plain_text(value, place),))[0]


def _is_text(value: Present) -> TypeGuard[str]:
    return isinstance(value, str) and not isinstance(value, Bare)
