"""What a person would want to hear of the fields of a template: what its receiver will hardly understand.

A warning names its field, the place and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from app.templates.fields import Field, fields_of, host_of
from app.templates.known_fields import UNITS, WRITE, Unit, is_event_id, names_a_hash, unit_of, wants_hash
from app.templates.names import is_known, split_raw
from app.templates.scan import Macro
from app.templates.units import text_of_units

HASHES = frozenset(("sha256", "md5", "hmac"))
_CHANGING = ("random", "now")
_MOMENTS = ("now", "time")
_encoded = re.compile(r"%(?:25)*7[Bb](_?[A-Za-z][A-Za-z0-9_.-]*)%(?:25)*7[Dd]")
_META = "graph.facebook.com"


def lint_fields(template: str, headers: Mapping[str, str]) -> Iterator[str]:
    """The warnings about the fields of a template and of the headers that its flow adds."""
    host = host_of(template)
    for field in fields_of(template, headers):
        for check in _CHECKS:
            yield from check(field, host)
    yield from _secrets_in_a_get(template)


def _secrets_in_a_get(template: str) -> Iterator[str]:
    fields = fields_of(template, {})
    if any(field.part in ("form", "json") for field in fields):
        return
    for macro in (macro for field in fields if field.part == "query" for macro in field.macros):
        if macro.known and macro.name.startswith("secret."):
            yield (
                f"{macro.text} at {macro.at} is a secret in a GET, whose link servers write into their logs: "
                "put it into a header or, after |POST|, into a form, where the receiver takes it there"
            )


def is_personal(macro: Macro) -> str:
    """What a macro stands for that must not go out as it is where a hash is wanted; empty for another."""
    name = macro.name.rpartition(".")[2].lower().replace("-", "").replace("_", "")
    if names_a_hash(macro.name):
        return ""
    return "e-mail address" if name in ("email", "mail") else "phone number" if name == "phone" else ""


def hashed_by(macro: Macro) -> list[str]:
    """The filters of a macro that hash, in their order."""
    return [one.name for one in macro.filters if one.name in HASHES]


def _hash_wanted(field: Field, host: str) -> Iterator[str]:
    for macro in field.macros:
        kind = is_personal(macro)
        if kind and not hashed_by(macro) and wants_hash(field.path, host):
            yield f"{field.told()} wants a hash, {macro.text} is the {kind} itself: {_hash_of(macro, kind)}"


def _hash_of(macro: Macro, kind: str) -> str:
    cleaned = "trim|lower" if kind == "e-mail address" else "e164:geo,US"
    said = " (US is the country of national numbers)" if kind == "phone number" else ""
    return f"write {{{macro.name}|{cleaned}|sha256}}{said}"


def _hash_of_what(field: Field, _: str) -> Iterator[str]:
    """A hash is only found again when both sides hash the same text."""
    for macro in field.macros:
        kind, names = is_personal(macro), [one.name for one in macro.filters]
        if not kind or "sha256" not in names:
            continue
        before = set(names[: names.index("sha256")])
        if kind == "e-mail address" and "lower" not in before:
            yield f"{macro.text} at {macro.at} hashes the address as it was typed: {_hash_of(macro, kind)}"
        elif kind == "phone number" and not before & {"e164", "digits"}:
            yield f"{macro.text} at {macro.at} hashes the number as it was typed: {_hash_of(macro, kind)}"


def _hash_of_a_hash(field: Field, _: str) -> Iterator[str]:
    for macro in field.macros:
        hashes = [name for name in hashed_by(macro) if name != "hmac"]  # which signs, also a hash
        if len(hashes) > 1:
            yield f"{macro.text} at {macro.at} is a hash of a hash: leave one of {' and '.join(hashes)}"
        elif hashes and names_a_hash(macro.name):
            yield (
                f"{macro.text} at {macro.at} is a hash of a hash, as {macro.name} is one by its name: "
                f"write {{{macro.name}}}"
            )


def _unit(field: Field, host: str) -> Iterator[str]:
    for macro in field.macros:
        written = unit_written(macro)
        wanted = unit_of(field.name) if len(field.units) == 1 else None
        if host == _META and field.name == "fbc" and len(field.macros) > 1:
            wanted = "ms"
        if written and wanted and written != wanted:
            meant = WRITE[wanted].replace("time", macro.name)
            yield (f"{field.told()} wants {UNITS[wanted]}, {macro.text} is {UNITS[written]}: write {meant}")


def unit_written(macro: Macro) -> Unit | None:
    """The unit of a moment as its filters leave it; None for what is no moment, or a text."""
    if macro.name not in _MOMENTS:
        return None
    unit: Unit | None = "s"
    for one in macro.filters:
        if one.name == "ms":
            unit = "ms"
        elif one.name == "mul" and one.argument == "1000" and unit in ("s", "ms"):
            unit = "ms" if unit == "s" else "us"
        elif one.name not in ("default", "round", "number"):
            unit = None
    return unit


def _event_id(field: Field, _: str) -> Iterator[str]:
    if not is_event_id(field.name):
        return
    for macro in field.macros:
        if macro.name in _CHANGING:
            yield (
                f"{field.told()} tells the receiver what came already, {macro.text} is another each time it "
                "is rendered: write {request}, which stays the same when it is sent again"
            )


def _encoded_twice(field: Field, _: str) -> Iterator[str]:
    if field.part in ("json", "header") or len(field.units) != 1:
        return
    for macro in field.macros:
        if not macro.raw and any(one.name == "urlencode" for one in macro.filters):
            yield (
                f"{field.told()} is percent-encoded twice: a value is encoded where it stands, "
                "|urlencode is for a link inside a link"
            )


def _encoded_macro(field: Field, _: str) -> Iterator[str]:
    """A browser's address bar makes `%7Bclick%7D` of a macro."""
    if field.part in ("json", "header"):
        return
    for found in _encoded.finditer(text_of_units(field.units)):
        if is_known(split_raw(found[1])[0]):
            yield (
                f"{found[0]} at {field.at + found.start()} is sent as text: a macro is not percent-encoded, "
                f"write {{{found[1]}}}"
            )


_CHECKS: tuple[Callable[[Field, str], Iterator[str]], ...] = (
    *(_hash_wanted, _hash_of_what, _hash_of_a_hash, _unit, _event_id, _encoded_twice, _encoded_macro),
)
