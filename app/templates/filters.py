"""The filters: each is compiled once, with its argument, to a step from value to value.

A filter gets the value before any encoding. A step never sees a missing value, and a text that it makes
blank is settled as missing by the pipeline.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from app.templates import arguments
from app.templates.dates import date_printer, iso_text, read_zone, to_ms
from app.templates.encode import json_string, percent
from app.templates.jsonscan import is_scalar_word
from app.templates.names import nearest
from app.templates.numbers import product, read_number, rounded, to_number
from app.templates.pipeline import Around, Filter, SecretMissing, Step
from app.templates.values import WHITE, Bare, Hashed, Present, Value, settle, text_of

MAX_DECIMALS = 12
MAX_COUNT = 10**9
"""More code points than any value has: a longer count in an argument means the same."""

_TRIMMED = WHITE + "\u200b\ufeff"
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")


class BadFilter(Exception):
    """A filter that cannot be: unknown, or with a missing, surplus or wrong argument."""


class FilterText(NamedTuple):
    """A filter as written: its name, its argument with its escapes (None without a `:`), its place."""

    name: str
    argument: str | None
    at: int


def filter_fault(filters: Iterable[FilterText]) -> str | None:
    """Why a macro's filters cannot be; None when they can."""
    try:
        for written in filters:
            compile_filter(written, bare=False)
    except BadFilter as fault:
        return str(fault)
    return None


def compile_filter(written: FilterText, *, bare: bool) -> Filter:
    """Compile a filter; `bare` when its macro stands in JSON outside a string.

    Raises `BadFilter`.
    """
    if written.name == "default":
        return _default(_needed(written), bare=bare)
    make = _MAKERS.get(written.name)
    if make is None:
        raise BadFilter(
            f'unknown filter "{written.name}", the nearest known one is "{_nearest(written.name)}"'
        )
    return Filter(make(written))


def _nearest(name: str) -> str:
    return nearest(name, FILTERS)


def _needed(written: FilterText) -> str:
    if written.argument is None:
        raise BadFilter(f'the filter "{written.name}" needs an argument: {written.name}:…')
    return written.argument


def _wrong(written: FilterText, wanted: str) -> BadFilter:
    return BadFilter(f'"{written.name}:{written.argument}" is wrong: {wanted}')


def _fixed(step: Step) -> Callable[[FilterText], Step]:
    def make(written: FilterText) -> Step:
        if written.argument is not None:
            raise BadFilter(f'the filter "{written.name}" takes no argument, "{written.argument}" was given')
        return step

    return make


def _of_text(change: Callable[[str], Value]) -> Callable[[FilterText], Step]:
    return _fixed(lambda value, _: change(text_of(value)))


def _with_text(change: Callable[[str, str], str]) -> Callable[[FilterText], Step]:
    def make(written: FilterText) -> Step:
        text = arguments.plain(_needed(written))
        return lambda value, _: change(text_of(value), text)

    return make


def _default(argument: str, *, bare: bool) -> Filter:
    text = arguments.plain(argument)
    fills: Value = text
    if bare and is_scalar_word(text):
        fills = Bare(text)
    elif bare and len(text) > 1 and text[0] == text[-1] == '"':
        literal = _text_of_literal(text)
        fills = text if literal is None else literal
    return Filter(lambda value, _: value, settle(fills))


def _text_of_literal(literal: str) -> str | None:
    try:
        return msgspec.json.decode(literal, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _only_digits(text: str) -> str:
    return "".join([char for char in text if char in _DIGITS])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _prehashed(text: str) -> str:
    found = text.strip(_TRIMMED)
    return Hashed(found.lower()) if len(found) == 64 and _HEX.issuperset(found) else text


def _gmail(text: str) -> str:
    """An address as Google knows its own: https://developers.google.com/data-manager/api/devguides/concepts/formatting"""
    local, _, domain = text.rpartition("@")
    if domain.lower() not in ("gmail.com", "googlemail.com"):
        return text
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _hmac(written: FilterText) -> Step:
    name, *encoding = arguments.fields(_needed(written))
    if not name or encoding not in ([], ["base64"]):
        raise _wrong(written, "the name of a secret is wanted, or NAME,base64")

    def signed(value: Present, around: Around) -> str:
        secret = around.secret(name)
        if secret is None:
            raise SecretMissing(name)
        digest = hmac.digest(secret.encode(), text_of(value).encode(), "sha256")
        return base64.b64encode(digest).decode() if encoding else digest.hex()

    return signed


def asks_the_click(written: FilterText) -> bool:
    """Whether a filter's result depends on the click's country, which is not known at sending."""
    return written.name == "e164" and (written.argument or "geo").partition(",")[0] == "geo"


def _e164(written: FilterText) -> Step:
    from app.templates.phones import e164, is_country  # late: loading it takes long

    of_click, country = True, None
    if written.argument is not None:
        *geo, code = arguments.fields(written.argument)
        of_click, country = bool(geo), code.upper()
        if geo not in ([], ["geo"]) or not is_country(country):
            raise _wrong(written, "a two-letter country code is wanted, or geo,CC, or nothing")

    def digits(value: Present, around: Around) -> str | None:
        clicked = (around.geo or "").strip(WHITE).upper() if of_click else ""
        return e164(text_of(value), clicked if is_country(clicked) else country)

    return digits


def _number(value: Present, _: Around) -> Value:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else to_number(value)


def _round(written: FilterText) -> Step:
    count = _count(_needed(written))
    if count is None or count > MAX_DECIMALS:
        raise _wrong(written, f"a number of decimals from 0 to {MAX_DECIMALS} is wanted")
    decimals = count

    def round_it(value: Present, _: Around) -> Value:
        number = to_number(value)
        return None if number is None else rounded(number, decimals)

    return round_it


def _mul(written: FilterText) -> Step:
    text = arguments.plain(_needed(written))
    factor = None if text != text.strip(WHITE) else read_number(text)
    if factor is None:
        raise _wrong(written, "a number such as 0.01 is wanted")
    by = factor

    def multiplied(value: Present, _: Around) -> Value:
        number = to_number(value)
        return None if number is None else product(number, by)

    return multiplied


def _count(text: str) -> int | None:
    """A non-negative whole number in ASCII digits, capped; None when the text is none."""
    if not text or not _DIGITS.issuperset(text):
        return None
    text = text.lstrip("0") or "0"
    return int(text) if len(text) < 10 else MAX_COUNT


def _substr(written: FilterText) -> Step:
    counts = [_count(field) for field in arguments.fields(_needed(written))]
    match counts:
        case [int() as start, int() as length]:
            return lambda value, _: text_of(value)[start : start + length]
    raise _wrong(written, "a start and a length are wanted, as in substr:0,64")


def read_map(written: FilterText) -> tuple[dict[str, str], str | None]:
    """The texts of a `map` filter by the texts that they replace, and that for any other (None without `*`).

    Raises `BadFilter`.
    """
    table: dict[str, str] = {}
    otherwise: str | None = None
    for item in arguments.split(arguments.marked(_needed(written)), ","):
        parts = [arguments.trimmed(part) for part in arguments.split(item, "=", 1)]
        if len(parts) == 1:
            raise _wrong(written, "items such as approve=sale are wanted, with commas between them")
        key, result = parts[0], arguments.text_of_marked(parts[1])
        if list(key) != [("*", False)]:
            table.setdefault(arguments.text_of_marked(key), result)
        elif otherwise is None:
            otherwise = result
    return table, otherwise


def _map(written: FilterText) -> Step:
    table, otherwise = read_map(written)
    return lambda value, _: table.get(text_of(value), value if otherwise is None else otherwise)


def _ms(value: Present, _: Around) -> Value:
    return to_ms(value)


def _iso(value: Present, _: Around) -> Value:
    ms = to_ms(value)
    return None if ms is None else iso_text(ms)


def _date(written: FilterText) -> Step:
    form, *zones = arguments.fields(_needed(written))
    if not form or len(zones) > 1:
        raise _wrong(written, "a format is wanted, and perhaps a comma and a time zone")
    try:
        printed = date_printer(form, read_zone(zones[0] if zones else "UTC"))
    except ValueError as fault:
        raise _wrong(written, str(fault)) from None

    def dated(value: Present, _: Around) -> Value:
        ms = to_ms(value)
        return None if ms is None else printed(ms)

    return dated


_MAKERS: dict[str, Callable[[FilterText], Step]] = {
    "lower": _of_text(str.lower),
    "upper": _of_text(str.upper),
    "trim": _of_text(lambda text: text.strip(_TRIMMED)),
    "prepend": _with_text(lambda text, x: x + text),
    "append": _with_text(lambda text, x: text + x),
    "digits": _of_text(_only_digits),
    "e164": _e164,
    "gmail": _of_text(_gmail),
    "prehashed": _of_text(_prehashed),
    "sha256": _of_text(_sha256),
    "md5": _of_text(_md5),
    "hmac": _hmac,
    "base64": _of_text(_base64),
    "urlencode": _of_text(percent),
    "json": _of_text(json_string),
    "number": _fixed(_number),
    "round": _round,
    "mul": _mul,
    "ms": _fixed(_ms),
    "iso": _fixed(_iso),
    "date": _date,
    "map": _map,
    "substr": _substr,
}

FILTERS = tuple(sorted((*_MAKERS, "default")))
"""The names of all filters."""
