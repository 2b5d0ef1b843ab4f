"""What a preset file says, and reading one: `data/<id>.toml`.

| key | is |
| --- | --- |
| `id`, `title`, `kind` | the file's name; the vendor's own name of it; what it is |
| `about` | what it does for the buyer |
| `hosts` | a pasted link to one of these is offered the preset; `*.track.er` is any host below |
| `api_version`, `ends_on` | the vendor's version, empty where there is none, and its last day if known |
| `version_ends` | the last days of other versions, which older links may name in their path |
| `pages`, `read_on`, `unconfirmed` | the vendor's pages, the day they were read, what they did not confirm |
| `test_mode`, `notes` | how to try it without harm; what a buyer has to know |
| `params` | values of the flow, `{param.NAME}`; one in a link's host, or that is the link, is written in |
| `secrets` | values of the environment, `{secret.NAME}` |
| `postbacks` | as a flow has them in the long form |
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Kind = Literal["network", "tracker", "affiliate", "chat", "webhook"]
Told = Annotated[str, Meta(pattern=r"\S")]
ParamName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$")]


class PresetFault(Exception):
    """A preset file cannot be used: `file` is its name, the text says where in it and why."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class Param(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the buyer gives. `pattern` is of the whole value.

    With a `default`, which may be empty, it need not be given.
    """

    name: ParamName
    title: Told
    where: Told
    example: str
    pattern: str = ""
    default: str | None = None


class Secret(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that stands in the environment or a file alone, never in a flow."""

    name: ParamName
    title: Told
    where: Told


class Preset(Struct, frozen=True, forbid_unknown_fields=True):
    """One receiver that people know; the module says what each key is."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Told
    kind: Kind
    about: Told
    hosts: tuple[Told, ...]
    api_version: str
    pages: Annotated[tuple[Annotated[str, Meta(pattern=r"^https://\S+$")], ...], Meta(min_length=1)]
    read_on: date
    unconfirmed: tuple[Told, ...]
    test_mode: Told
    notes: tuple[Told, ...]
    postbacks: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)]
    params: tuple[Param, ...] = ()
    secrets: tuple[Secret, ...] = ()
    ends_on: date | None = None
    version_ends: dict[str, date] = {}


def read_preset(name: str, content: bytes) -> Preset:
    """The preset of a file `<name>.toml`. Raises `PresetFault` with the place and the reason.

    Its postbacks are read when it is filled in, as those of any flow.
    """
    try:
        made = msgspec.convert(tomllib.loads(content.decode()), Preset)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise PresetFault(f"{name}.toml", str(fault)) from None
    if reason := _wrong(made, name):
        raise PresetFault(f"{name}.toml", reason)
    return made


def _wrong(preset: Preset, name: str) -> str | None:
    if preset.id != name:
        return f"id is {preset.id!r}, but the file is named {name}.toml"
    names = [*(one.name for one in preset.params), *(one.name for one in preset.secrets)]
    if twice := {one for one in names if names.count(one) > 1}:
        return f"{sorted(twice)[0]} stands twice among params and secrets"
    if (preset.ends_on or preset.version_ends) and not preset.api_version:
        return "ends_on and version_ends are days of versions, and there is no api_version"
    return next(filter(None, map(_wrong_of_param, preset.params)), None)


def _wrong_of_param(param: Param) -> str | None:
    try:
        re.compile(param.pattern)
    except re.error as fault:
        return f"param {param.name}: pattern is no regular expression: {fault}"
    if not fits(param, param.example):
        return f"param {param.name}: example {param.example!r} does not fit pattern {param.pattern!r}"
    return None


def fits(param: Param, value: str) -> bool:
    """Whether a value is of the form that the parameter has."""
    return not param.pattern or re.fullmatch(param.pattern, value) is not None
