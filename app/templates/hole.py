"""A macro at its place, compiled: how its text is had and how it is written there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.templates.encode import EncodeMany, Place, encoded, is_bare, json_scalar, many_encoder, plain_text
from app.templates.facts import Facts, Getter, expression, getter
from app.templates.fault import Part, TemplateFault
from app.templates.filters import BadFilter, asks_the_click, compile_filter
from app.templates.names import VOLATILE
from app.templates.pipeline import Filter, SecretMissing, run
from app.templates.scan import Macro
from app.templates.text import Slot
from app.templates.values import Value, settle, text_of


class Standing(str):
    """The text of an unknown macro, which is left as it stands."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Hole:
    """A macro's text, "" when its value is missing, and its writing in its place.

    `text` is the text not yet encoded: a Python expression of `facts` (`facts.reading` with `NAMES`), or
    a function. `volatile` is whether a fingerprint looks past it. Holes with the same `key` are the same.
    """

    key: tuple[str, Place]
    text: str | Callable[[Facts], str]
    encode: EncodeMany
    volatile: bool


def make_hole(macro: Macro, place: Place, part: Part) -> Hole | Slot:
    """Compile a macro for its place; a secret becomes a slot.

    Raises `TemplateFault` for a filter that cannot be, on a known name.
    """
    raw_place: Place = "raw" if macro.raw else place
    filters, usable = _compile_filters(macro, is_bare(place), part)
    if macro.name.startswith("secret.") and macro.known:
        if any(asks_the_click(written) for written in macro.filters):
            at = None if part == "header" else macro.at
            reason = (
                f"{macro.text}: a secret is filled at sending, without the click: name a country, e164:CC"
            )
            raise TemplateFault(part, at, reason)
        return Slot(macro.name.partition(".")[2], raw_place, macro.filters_text())
    key, volatile = (macro.text, place), macro.name in VOLATILE
    if not macro.known:
        value = _or_standing(macro, filters, part) if usable else _standing(macro)
        return Hole(key, _asked(value, raw_place), _encode_standing(raw_place, place), volatile)
    if filters:
        asked = _asked(_filtered(macro, getter(macro.name), filters, part), raw_place)
        return Hole(key, asked, many_encoder(raw_place), volatile)
    if macro.name == "now":  # digits, never missing: encoded together with its neighbours
        encode = many_encoder(_IN_STRING.get(raw_place, raw_place))
        return Hole(key, "str(facts.now_ms // 1000)", encode, volatile)
    return Hole(key, _direct(macro.name, raw_place), many_encoder(raw_place), volatile)


def _compile_filters(macro: Macro, bare: bool, part: Part) -> tuple[tuple[Filter, ...], bool]:
    """The compiled filters, and whether the macro can stand for a value at all."""
    filters: list[Filter] = []
    for written in macro.filters:
        try:
            filters.append(compile_filter(written, bare=bare))
        except BadFilter as fault:
            if macro.known:
                at = None if part == "header" else written.at
                raise TemplateFault(part, at, f"{macro.text}: {fault}") from None
            return (), False  # an unknown macro is text, whatever follows its name
    return tuple(filters), True


_IN_STRING: dict[Place, Place] = {"json": "json-string", "pair-json": "pair-json-string"}


def _direct(name: str, place: Place) -> str:
    """The text of a macro without filters: most values are texts that are taken as they are."""
    if is_bare(place):
        return f"bare({expression(name)})"
    if name == "time":
        return '"" if facts.time_ms is None else str(facts.time_ms // 1000)'
    return f"v if (v := {expression(name)}).__class__ is str and v and not v.isspace() else text(v)"


def _text(value: Value) -> str:
    value = settle(value)
    return "" if value is None else text_of(value)


def _bare(value: Value) -> str:
    value = settle(value)
    return "" if value is None else json_scalar(value)


NAMES = {"text": _text, "bare": _bare}
"""What the expressions of texts use beside the facts."""


def _asked(value: Getter, place: Place) -> Callable[[Facts], str]:
    def asked(facts: Facts) -> str:
        found = value(facts)
        if found.__class__ is Standing:
            return "" if is_bare(place) else found if place == "raw" else str(found)
        return plain_text(found, place)

    return asked


def _standing(macro: Macro) -> Getter:
    text = Standing(macro.text)
    return lambda _: text


def _or_standing(macro: Macro, filters: tuple[Filter, ...], part: Part) -> Getter:
    tag = _filtered(macro, getter(macro.name), filters, part)
    name, text = macro.name, Standing(macro.text)
    return lambda facts: tag(facts) if name in facts.lead.tags else text


def _filtered(macro: Macro, get: Getter, filters: tuple[Filter, ...], part: Part) -> Getter:
    def filtered(facts: Facts) -> Value:
        try:
            return run(filters, get(facts), facts)
        except SecretMissing as missing:
            raise TemplateFault(part, None if part == "header" else macro.at, str(missing)) from None

    return filtered


def _encode_standing(place: Place, plain_place: Place) -> EncodeMany:
    """Like the place's, but the text of a raw macro that has no value is encoded."""
    encode = many_encoder(place)
    if place == plain_place:
        return encode
    return lambda texts: [
        encoded(text, plain_place) if text.__class__ is Standing else encode((text,))[0] for text in texts
    ]
