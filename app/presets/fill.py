"""Fill a preset in: its parameters checked, its postbacks as a flow has them, and both added to a flow. Pure.

A parameter becomes one of the flow's, so it can be changed in one place. In a link's host, or as a whole
link, no macro may stand: there the value itself is written in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from app.flows.fault import meant
from app.flows.layout import long_form
from app.flows.written import short_id
from app.presets.preset import Param, Preset, fits

_HOST = re.compile(r"\s*(https?://)?[^/?#|]*")


class ParamFault(Exception):
    """Parameters cannot be used: `reasons` are what is wrong with each, by its name."""

    def __init__(self, preset: Preset, reasons: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"preset {preset.id}: {told}")
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Added:
    """A flow's config with a preset in it, and the ids of the postbacks that it brought."""

    config: dict[str, Any]
    postbacks: tuple[str, ...]


def wrong_params(preset: Preset, given: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the parameters that were given, by name, with where the right one is found."""
    wrong = {
        param.name: reason for param in preset.params if (reason := _wrong(param, given.get(param.name, "")))
    }
    known = [param.name for param in preset.params]
    for name in given:
        if name not in known:
            wrong[name] = f"no such parameter; {meant(name, known)}" if known else "it has no parameters"
    return wrong


def _wrong(param: Param, value: str) -> str | None:
    what, told = f"{param.title}; where to find it: {param.where}", value.strip()
    if not told:
        return None if param.default is not None else f"missing: {what}"
    return None if fits(param, told) else f"{told!r} is not of the form of {param.example!r}: {what}"


def filled(
    preset: Preset, given: Mapping[str, str], taken: Mapping[str, Any] | None = None
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The parameters and postbacks that a preset brings to a flow whose parameters are `taken`.

    One that the flow has with another value gets a name of its own (`pixel-2`). Raises `ParamFault`.
    """
    if wrong := wrong_params(preset, given):
        raise ParamFault(preset, wrong)
    values = {param.name: given.get(param.name, "").strip() or param.default or "" for param in preset.params}
    postbacks = [_with_hosts(one, values) for one in preset.postbacks]
    kept = {name: value for name, value in values.items() if any(_names(one, name) for one in postbacks)}
    new_names = {name: _param_name(name, value, taken or {}) for name, value in kept.items()}
    for name, new in new_names.items():
        if new != name:
            postbacks = [_renamed(one, name, new) for one in postbacks]
    return {new_names[name]: value for name, value in kept.items()}, postbacks


def add(config: Mapping[str, Any], preset: Preset, given: Mapping[str, str]) -> Added:
    """A flow's config (valid, either form) with a preset's parameters and postbacks after its own.

    The config comes out in the long form. Raises `ParamFault`.
    """
    params, postbacks = filled(preset, given, config.get("params", {}))
    before = long_form(config.get("postbacks", []))
    ids = [str(one.get("id", "")) for one in before]
    for one in postbacks:
        one["id"] = free_name(one["id"], ids)
        ids.append(one["id"])
    made = dict(config)
    if params:
        made["params"] = {**config.get("params", {}), **params}
    made["postbacks"] = [*before, *postbacks]
    return Added(made, tuple(one["id"] for one in postbacks))


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of `name-2`, `name-3` … that is not taken."""
    return next(one for index in count() if (one := short_id(name, index)) not in taken)


def _param_name(name: str, value: str, taken: Mapping[str, Any]) -> str:
    others: Iterable[str] = (one for one, had in taken.items() if had != value)
    return free_name(name, set(others))


def _with_hosts(postback: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    template = postback["template"]
    host = _HOST.match(template)
    assert host is not None  # it may be empty
    told = host[0]
    for name, value in values.items():
        told = told.replace(f"{{param.{name}}}", value)
    return {**postback, "template": told + template[host.end() :]}


def _names(postback: Mapping[str, Any], name: str) -> bool:
    return _renamed(postback, name, "") != postback


def _renamed(postback: Mapping[str, Any], name: str, new: str) -> dict[str, Any]:
    macro = re.compile(rf"(?<=\{{)(_?)param\.{re.escape(name)}(?=[|}}])")

    def put(text: str) -> str:
        return macro.sub(rf"\g<1>param.{new}", text)

    made = {**postback, "template": put(postback["template"])}
    if "headers" in postback:
        made["headers"] = {header: put(text) for header, text in postback["headers"].items()}
    if "require" in postback:
        made["require"] = [_requiring(one, name, new) for one in postback["require"]]
    return made


def _requiring(entry: str, name: str, new: str) -> str:
    """An entry of `require`, a macro or several with a bar between."""
    return "|".join(f"param.{new}" if one.strip() == f"param.{name}" else one for one in entry.split("|"))
