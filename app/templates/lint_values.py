"""What a person would want to hear of a template filled in for one lead: values that no receiver can use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from urllib.parse import unquote

from app.templates.facts import Facts, getter
from app.templates.fields import Field, fields_of, host_of
from app.templates.filters import BadFilter, compile_filter
from app.templates.known_fields import UNITS, Unit, unit_by_size, unit_of, wants_hash
from app.templates.lint_fields import HASHES, hashed_by, is_personal, unit_written
from app.templates.numbers import read_number
from app.templates.pipeline import SecretMissing, run
from app.templates.scan import Macro
from app.templates.values import Value, text_of

_hex = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")
_escapes = re.compile(r"[A-Za-z0-9._~+-]*(%[0-9A-Fa-f]{2}[A-Za-z0-9._~+-]*)+")


Values = Mapping[Macro, Value]
_ZEROS: dict[Unit, int] = {"s": 0, "ms": 3, "us": 6}


def lint_values(template: str, headers: Mapping[str, str], facts: Facts) -> list[str]:
    """The warnings about values in a sound template and its flow's headers, filled in with these facts."""
    host = host_of(template)
    found: list[str] = []
    for field, values in _filled(template, headers, facts):
        for check in (_hash_of_a_hash, _no_hash, _unit, _encoded_already):
            found += check(field, host, values, facts)
    return list(dict.fromkeys(found))


def empty_macros(template: str, headers: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """A warning for each macro without a value, by the macro's name, likewise."""
    return {
        macro.name: (
            f"{macro.text} has no value for this lead, {field.told()}: let leads bring it, or write "
            f"{{{macro.name}|default:…}}, omit_empty or require"
        )
        for field, values in _filled(template, headers, facts)
        for macro, value in values.items()
        if value is None and (macro.known or macro.name in facts.lead.tags)
    }


def _filled(template: str, headers: Mapping[str, str], facts: Facts) -> Iterator[tuple[Field, Values]]:
    for field in fields_of(template, headers):
        yield field, {macro: _value(macro, facts) for macro in field.macros if not _is_secret(macro)}


def _is_secret(macro: Macro) -> bool:
    return macro.known and macro.name.startswith("secret.")


def _value(macro: Macro, facts: Facts, until: Callable[[str], bool] = lambda _: False) -> Value:
    """What a macro is here, before the first filter that `until` names; None where that cannot be told."""
    filters = []
    for written in macro.filters:
        if until(written.name):
            break
        try:
            filters.append(compile_filter(written, bare=False))
        except BadFilter:
            return None
    try:
        return run(filters, getter(macro.name)(facts), facts)
    except SecretMissing:
        return None


def _hash_of_a_hash(field: Field, _: str, values: Values, facts: Facts) -> Iterator[str]:
    for macro in values:
        hashes = hashed_by(macro)
        before = _value(macro, facts, lambda name: name in HASHES)
        keeps = any(one.name == "prehashed" for one in macro.filters)
        if len(hashes) == 1 and not keeps and isinstance(before, str) and _hex.fullmatch(before):
            yield (
                f"{macro.text} hashes what is a hash already for this lead, {field.told()}: "
                f"leave |{hashes[0]} out"
            )


def _no_hash(field: Field, host: str, values: Values, facts: Facts) -> Iterator[str]:
    if len(field.units) != 1 or not wants_hash(field.path, host):
        return
    for macro, value in values.items():
        told_by_name = is_personal(macro) and not hashed_by(macro)
        if value is not None and not told_by_name and not _hex.fullmatch(text_of(value)):
            yield f"{field.told()} wants a hash, {macro.text} is none for this lead: add |sha256"


def _unit(field: Field, _: str, values: Values, facts: Facts) -> Iterator[str]:
    wanted = unit_of(field.name) if len(field.units) == 1 else None
    for macro, value in values.items():
        number = None if value is None or unit_written(macro) else read_number(text_of(value))
        found = None if number is None else unit_by_size(float(number))
        if wanted and found and found != wanted:
            yield (
                f"{field.told()} wants {UNITS[wanted]}, {macro.text} is {UNITS[found]} for this lead: "
                f"write {_converted(macro, found, wanted)}"
            )


def _converted(macro: Macro, found: Unit, wanted: Unit) -> str:
    factor = Decimal(10) ** (_ZEROS[wanted] - _ZEROS[found])
    return f"{macro.text[:-1]}|mul:{factor:f}}}"


def _encoded_already(field: Field, _: str, values: Values, facts: Facts) -> Iterator[str]:
    if field.part in ("json", "header"):
        return
    for macro, value in values.items():
        if not macro.raw and isinstance(value, str) and _escapes.fullmatch(value):
            yield (
                f"{macro.text} is percent-encoded already for this lead ({_short(value)}), and is so twice, "
                f"{field.told()}: let leads bring it as it is ({_short(unquote(value))}), or write "
                f"{{_{macro.text[1:]}"
            )


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
