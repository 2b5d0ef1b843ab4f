"""A macro at its place, compiled: how its value is had and how it is written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from app.templates.encode import Place, encoder, is_bare, text_encoder
from app.templates.facts import Facts, Getter, getter
from app.templates.fault import Part, TemplateFault
from app.templates.filters import BadFilter, asks_the_click, compile_filter
from app.templates.names import VOLATILE
from app.templates.pipeline import Filter, SecretMissing, run
from app.templates.scan import Macro
from app.templates.text import Slot
from app.templates.values import WHITE_SPACE, Value, settle


class Standing(str):
    """The text of an unknown macro, which is left as it stands."""

    __slots__ = ()


class Volatile(str):
    """Rendered text that a fingerprint takes as a constant."""

    __slots__ = ()


class Hole(NamedTuple):
    """A macro's value and its writing in its place.

    `op` is both in one step; `volatile` is whether a fingerprint looks past it.
    """

    value: Callable[[Facts], Value]
    write: Callable[[Value], str]
    op: Callable[[Facts], str]
    volatile: bool
    bare: bool

    def is_missing(self, value: Value) -> bool:
        """Whether a value of this hole counts as missing for `omit_empty`."""
        return value is None or (self.bare and value.__class__ is Standing)


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
    value = _value(macro, filters, part) if usable else _standing(macro)
    write = _writer(raw_place, place)
    volatile = macro.name in VOLATILE
    if macro.known and not filters and not volatile:
        op = _direct(getter(macro.name), text_encoder(raw_place), write)
    else:
        op = _op(value, write, Volatile if volatile else str)
    return Hole(value, write, op, volatile, is_bare(place))


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


def _standing(macro: Macro) -> Getter:
    text = Standing(macro.text)
    return lambda _: text


def _value(macro: Macro, filters: tuple[Filter, ...], part: Part) -> Getter:
    get = getter(macro.name)
    known = _filtered(macro, get, filters, part) if filters else _settled(get)
    if macro.known:
        return known
    name, text = macro.name, Standing(macro.text)
    return lambda facts: known(facts) if name in facts.lead.tags else text


def _settled(get: Getter) -> Getter:
    return lambda facts: settle(get(facts))


def _filtered(macro: Macro, get: Getter, filters: tuple[Filter, ...], part: Part) -> Getter:
    def filtered(facts: Facts) -> Value:
        try:
            return run(filters, get(facts), facts)
        except SecretMissing as missing:
            raise TemplateFault(part, None if part == "header" else macro.at, str(missing)) from None

    return filtered


def _writer(place: Place, plain_place: Place) -> Callable[[Value], str]:
    encode, bare = encoder(place), is_bare(place)
    missing = "null" if bare else ""
    encode_plain = encoder(plain_place)

    def write(value: Value) -> str:
        if value is None:
            return missing
        if value.__class__ is Standing:
            return missing if bare else encode_plain(value)
        return encode(value)

    return write


def _op(value: Getter, write: Callable[[Value], str], kind: type[str]) -> Callable[[Facts], str]:
    if kind is str:
        return lambda facts: write(value(facts))
    return lambda facts: kind(write(value(facts)))


def _direct(
    get: Getter, encode: Callable[[str], str], write: Callable[[Value], str]
) -> Callable[[Facts], str]:
    """The op of a macro without filters: for most values a getter and an encoder, nothing between."""

    def op(facts: Facts) -> str:
        value = get(facts)
        if value.__class__ is str and value and value[0] not in WHITE_SPACE:
            return encode(value)
        return write(settle(value))

    return op
