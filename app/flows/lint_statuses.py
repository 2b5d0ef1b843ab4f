"""What is doubtful about a template's maps of statuses: one that is missed goes out as our word. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.flows.flow import Postback
from app.leads.malformed import STATUSES
from app.templates.fault import TemplateFault
from app.templates.filters import FilterText, read_map
from app.templates.scan import Macro, Unit, scan, scan_header

_ALL = tuple(dict.fromkeys(STATUSES.values()))
_MAPPED = ("status", "stage", "event")
_SAME = ("trim", "lower")


def lint_statuses(postback: Postback) -> Iterator[str]:
    """The warnings about the maps of `{status}`, `{stage}` and `{event}` in a postback's template."""
    for macro in _macros(postback):
        told = next((one for one in macro.filters if one.name not in _SAME), None)
        if macro.name in _MAPPED and told is not None and told.name == "map":
            yield from _of_map(macro, told, postback.on)


def _macros(postback: Postback) -> Iterator[Macro]:
    rows: list[list[Unit]] = []
    try:
        rows.append(scan(postback.template).units)
        rows += [scan_header(value) for value in postback.headers.values()]
    except TemplateFault:
        return
    yield from (unit for units in rows for unit in units if isinstance(unit, Macro))


def _of_map(macro: Macro, told: FilterText, on: tuple[str, ...]) -> Iterator[str]:
    keys, otherwise = read_map(told)
    if macro.name != "event" and (strange := [key for key in keys if key and key not in _ALL]):
        yield (
            f"{macro.text} at {macro.at} maps {', '.join(strange)}, which no lead's status is: statuses are "
            f"{', '.join(_ALL)}" + (", and wait is read as new" if "wait" in strange else "")
        )
    if otherwise is not None:
        return
    missed = [event for event in _events(macro.name, on) if event not in keys]
    if missed:
        yield (
            f"{macro.text} at {macro.at} has nothing for {', '.join(missed)}, which this postback reacts to: "
            f"that goes out as it is; add {missed[0]}=…, or *=… for all others"
        )


def _events(name: str, on: tuple[str, ...]) -> list[str]:
    """The values that the macro has when this postback fires, as far as that is told."""
    if "any" in on:
        return list(_ALL)
    return [event for event in on if event in _ALL or name == "event"]
