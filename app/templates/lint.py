"""What a person would want to hear of a template that is sound: what it does that is hardly meant.

Every warning names its place in code points from 0 (of the header's value in a header).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote

from app.templates import jsonscan
from app.templates.fault import TemplateFault
from app.templates.filters import filter_fault
from app.templates.jsonscan import JsonBreak
from app.templates.link import LinkText, read_link
from app.templates.lint_fields import lint_fields
from app.templates.names import is_visitors, nearest_macro
from app.templates.pairs import Pair, read_pairs
from app.templates.scan import Macro, Source, Unit, macro_of, scan, scan_header
from app.templates.units import line_and_column, runs, skip_white, text_of_units
from app.templates.values import WHITE_SPACE

_OPENS_JSON = ("{", "[")


def lint_template(
    template: str, headers: Mapping[str, str] | None = None, *, tags: Collection[str] = ()
) -> list[str]:
    """The warnings for a template and the headers that its flow adds.

    `tags` are names of tags that a lead is known to have: macros of these names are not unknown. What cannot
    be compiled is warned of as far as it can be read; its fault is `compile_template`'s to tell.
    """
    headers = headers or {}
    return list(dict.fromkeys([*_warnings(template, headers, tags), *lint_fields(template, headers)]))


def _warnings(template: str, headers: Mapping[str, str], tags: Collection[str]) -> Iterator[str]:
    for name, value in headers.items():
        try:
            units = scan_header(value)
        except TemplateFault:
            continue
        yield from (f"header {name}: {warning}" for warning in _of_macros(units, tags))
    try:
        source = scan(template)
    except TemplateFault:
        return
    yield from _of_the_split(source)
    try:
        link = read_link(source)
    except TemplateFault:
        yield from _of_macros(source.units, tags)
        return
    sent = source.units
    if link.fragment is not None:
        sent = source.units[: link.fragment] + source.units[source.split :]
        at = source.offsets[link.fragment]
        text = text_of_units(source.units[link.fragment : source.split])
        yield f"{text} at {at} is a fragment, which is not sent (%23 is a # that is)"
    yield from _of_macros(sent, tags)
    yield from _of_raw(sent, tags)
    yield from _of_pairs(source, link)


def _of_macros(units: list[Unit], tags: Collection[str]) -> Iterator[str]:
    for unit in units:
        if isinstance(unit, Macro) and not unit.known and unit.name not in tags:
            near = nearest_macro(unit.name)
            yield (
                f"unknown macro {unit.text} at {unit.at}: without a tag of that name it is sent as text; "
                f"the nearest known name is {{{near}}}"
            )
        if isinstance(unit, Macro) and not unit.known and (fault := filter_fault(unit.filters)):
            yield f"{unit.text} at {unit.at} is sent as text, whatever tags the lead has: {fault}"
    place = 0
    for run in runs(units, 0, len(units)):
        if isinstance(run, Macro):
            place = run.at + len(run.text)
            continue
        yield from _of_spaced_macros(run, place)


def _of_spaced_macros(text: str, place: int) -> Iterator[str]:
    """Look for `{ id }`, which is text."""
    at = text.find("{")
    while at >= 0:
        if meant := _spaced_macro(text, at):
            written = text[at : text.find("}", at) + 1]
            yield f"{written} at {place + at} is sent as text: a macro has no spaces, {meant}"
        at = text.find("{", at + 1)


def _spaced_macro(text: str, at: int) -> str:
    """The known macro that is meant by what begins at `at`, if it is written with spaces; else nothing."""
    written = text[at : text.find("}", at) + 1]
    meant = "{" + "|".join(part.strip() for part in written[1:-1].split("|")) + "}"
    macro = macro_of(meant) if meant != written else None
    return meant if macro is not None and macro.known else ""


def _of_raw(units: list[Unit], tags: Collection[str]) -> Iterator[str]:
    for unit in units:
        if not isinstance(unit, Macro) or not unit.raw or not is_visitors(unit.name):
            continue
        if unit.known or unit.name in tags:
            yield (
                f"{unit.text} at {unit.at} is raw: a visitor chooses its value, which could add pairs of its "
                f"own; {{{unit.text[2:]} is encoded"
            )


def _of_the_split(source: Source) -> Iterator[str]:
    template = source.template[: source.offsets[source.split]] if source.kind == "link" else ""
    for mark in ("|POST|", "|JSON|"):
        if found := re.search(re.escape(mark), template, re.IGNORECASE):
            yield f"{found[0]} at {found.start()} is text of the link: {mark} begins a body"
    if source.kind == "form":
        first = skip_white(source.units, source.body, len(source.units))
        if first < len(source.units) and source.units[first] in _OPENS_JSON:
            yield f"the form at {source.offsets[first]} begins like JSON: did you mean |JSON|?"


def _of_pairs(source: Source, link: LinkText) -> Iterator[str]:
    end = len(source.units)
    pairs = list(link.pairs)
    kept = [range(*link.path)]
    if source.kind == "form":
        pairs += read_pairs(source.units, source.body, end, in_query=False)[0]
    elif source.kind == "json":
        kept.append(range(source.body, end))
    for pair in pairs:
        kept += [range(*pair.name), range(*(pair.value or (0, 0)))]
        yield from _of_json(source, pair)
    if link.fragment is not None:
        kept.append(range(link.fragment, source.split))
    yield from _of_white_space(source, {index for span in kept for index in span})


def _of_white_space(source: Source, kept: set[int]) -> Iterator[str]:
    """Warn of white space that is dropped; a line break parts pairs on purpose."""
    stray: list[int] = []
    for index, unit in enumerate((*source.units, "")):
        if unit in WHITE_SPACE and index not in kept:
            stray.append(index)
            continue
        if stray and not any(source.units[at] in ("\r", "\n") for at in stray):
            yield f"the white space at {source.offsets[stray[0]]} is dropped"
        stray = []


def _of_json(source: Source, pair: Pair) -> Iterator[str]:
    if pair.value is None or pair.node is not None:
        return
    units = source.units[slice(*pair.value)]
    name = text_of_units(source.units[slice(*pair.name)])
    if _is_encoded_json(units):
        yield (
            f"the value of {name} at {source.offsets[pair.value.start]} is JSON that was pasted "
            "percent-encoded: values in it are not escaped as JSON; paste it as it was before"
        )
    elif pair.broken is not None and not _spaced_macro(text_of_units(units), 0):
        where = line_and_column(source, pair.value.start, pair.broken.at)
        yield (
            f"the value of {name} starts like JSON and is sent as text: "
            f"it breaks at {where}: {pair.broken.reason}"
        )


def _is_encoded_json(units: list[Unit]) -> bool:
    """Whether a value is JSON once its own text is percent-decoded."""
    decoded: list[Unit] = []
    for run in runs(units, 0, len(units)):
        decoded += unquote(run) if isinstance(run, str) else [run]
    if not decoded or decoded[0] not in _OPENS_JSON:
        return False
    try:
        return jsonscan.read(decoded, 0, len(decoded))[1] == len(decoded)
    except JsonBreak:
        return False
