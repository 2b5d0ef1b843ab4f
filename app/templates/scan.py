"""Find the macros of a template and the place where its body begins, before anything else is looked at.

A template becomes a row of units: single characters, and macros, which are equal to no character. So the
grammars of links, forms and JSON read units without ever mistaking a macro for text or text for a macro.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from app.templates.arguments import fields
from app.templates.fault import Part, TemplateFault
from app.templates.filters import FilterText
from app.templates.names import LETTERS, is_known, split_raw

MAX_TEMPLATE_BYTES = 16 * 1024

Kind = Literal["link", "form", "json"]

_NAME_CHARS = LETTERS | frozenset("0123456789.-")
_SPLITS: tuple[tuple[str, Kind], ...] = (("|POST|", "form"), ("|JSON|", "json"))


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """A macro as written: `text` whole, `name` without the `_` of a raw one, `at` its place."""

    text: str
    name: str
    raw: bool
    known: bool
    filters: tuple[FilterText, ...]
    at: int

    def filters_text(self) -> str:
        """The filters as written, each after its bar."""
        _, bar, filters = self.text[1:-1].partition("|")
        return bar + filters


Unit = str | Macro


@dataclass(frozen=True, slots=True)
class Source:
    """A template as units: those before `split` are the link, those from there on the form or JSON part.

    `offsets[i]` is the place of unit i in the template in code points; there is one more, for the end.
    """

    template: str
    units: list[Unit]
    offsets: list[int]
    kind: Kind
    split: int

    @property
    def body(self) -> int:
        """Where the form or JSON part begins."""
        return self.split


@lru_cache(maxsize=8)
def scan(template: str) -> Source:
    """Find a template's macros and split it into link and body.

    Raises `TemplateFault` for a template that is too long or has a wrong argument's text.
    """
    if (size := _size(template, "link")) > MAX_TEMPLATE_BYTES:
        raise TemplateFault(
            "link", None, f"the template has {size} bytes, over the limit of {MAX_TEMPLATE_BYTES}"
        )
    units: list[Unit] = []
    offsets: list[int] = []
    kind: Kind = "link"
    split = -1
    at = 0
    while at < len(template):
        stop = _next(template, at, kind)
        units += template[at:stop]
        offsets += range(at, stop)
        at = stop
        if kind == "link" and (found := _split_at(template, at)):
            text, kind = found
            split = len(units)
            at += len(text)
        elif at < len(template):
            macro = _read_macro(template, at, kind) if template[at] == "{" else None
            units.append(macro or template[at])
            offsets.append(at)
            at += len(macro.text) if macro else 1
    offsets.append(at)
    return Source(template, units, offsets, kind, len(units) if kind == "link" else split)


def scan_header(value: str) -> list[Unit]:
    """Find the macros of a header's value.

    Raises `TemplateFault`, without a place.
    """
    _size(value, "header")
    units: list[Unit] = []
    at = 0
    while at < len(value):
        try:
            macro = _read_macro(value, at, "header") if value[at] == "{" else None
        except TemplateFault as fault:
            raise TemplateFault("header", None, fault.reason) from None
        units.append(macro or value[at])
        at += len(macro.text) if macro else 1
    return units


def macro_of(text: str) -> Macro | None:
    """The macro that a whole text is; None when it is none."""
    try:
        macro = _read_macro(text, 0, "link")
    except TemplateFault:
        return None
    return macro if macro is not None and macro.text == text else None


def filters_of(written: str) -> tuple[FilterText, ...]:
    """The filters of a macro's `filters_text`."""
    macro = macro_of("{x" + written + "}")
    return macro.filters if macro else ()


def secrets_of(macro: Macro) -> list[str]:
    """The names of the secrets that a macro needs: its own, and those of its `hmac` filters."""
    prefix, _, name = macro.name.partition(".")
    own = [name] if prefix == "secret" and name else []
    return own + [fields(f.argument)[0] for f in macro.filters if f.name == "hmac" and f.argument]


def _size(text: str, part: Part) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as fault:
        at = None if part == "header" else fault.start
        raise TemplateFault(part, at, "a lone surrogate is no character") from None


def _next(template: str, at: int, kind: Kind) -> int:
    """Where what may be more than text comes next."""
    stop = template.find("{", at)
    stop = len(template) if stop < 0 else stop
    bar = template.find("|", at, stop) if kind == "link" else -1
    return stop if bar < 0 else bar


def _split_at(template: str, at: int) -> tuple[str, Kind] | None:
    for text, kind in _SPLITS:
        if template.startswith(text, at):
            return text, kind
    return None


def _read_macro(template: str, start: int, part: Part) -> Macro | None:
    """The macro that the `{` at `start` opens; None when it is plain text."""
    at = _end_of_name(template, start + 1)
    name, filters = template[start + 1 : at], []
    while name and template[at : at + 1] == "|":
        end = _end_of_name(template, at + 1)
        if end == at + 1:
            return None
        filter_name, argument, filter_at = template[at + 1 : end], None, at + 1
        if template[end : end + 1] == ":":
            begin = end + 1
            end = _end_of_argument(template, begin, part)
            argument = template[begin:end]
        filters.append(FilterText(filter_name, argument, filter_at))
        at = end
    if not name or template[at : at + 1] != "}":
        return None
    base, raw = split_raw(name)
    return Macro(template[start : at + 1], base, raw, is_known(base), tuple(filters), start)


def _end_of_name(template: str, at: int) -> int:
    if template[at : at + 1] not in LETTERS:
        return at
    while template[at : at + 1] in _NAME_CHARS:
        at += 1
    return at


def _end_of_argument(template: str, at: int, part: Part) -> int:
    while at < len(template) and (char := template[at]) not in "|}":
        if char == "{" or char in "\r\n":
            what = "a { stands" if char == "{" else "the line breaks"
            raise TemplateFault(
                part,
                at,
                f"{what} inside a filter's argument: is a }} missing before it? (\\{{ means a brace itself)",
            )
        at += 2 if char == "\\" else 1
    return min(at, len(template))
