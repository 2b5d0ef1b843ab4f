"""What a tool's file says of its macros, and reading one: `data/<id>.toml`.

| key | is |
| --- | --- |
| `id`, `title` | the file's name; the tool's own name |
| `pages`, `read_on`, `unconfirmed` | the vendor's pages, the day they were read, what they did not confirm |
| `hosts`, `path` | links to it: hosts (`*.track.er` is it and any below), a regular expression of the path |
| `raw`, `is_ours` | whether `{_x}` is raw there; whether our own macros are the tool's as well |
| `status_params` | parameters that tell the receiver which words are which status |
| `macros` | its macros; `#` in a name is a number up to `to`, the same as in `ours` |
| `statuses` | its word for each of our statuses that it names otherwise |
| `fields` | the parameters of links to it, for placeholders that nobody named |

A macro without `ours` has no counterpart: it becomes a tag, which is empty unless leads bring it. `check` is
what a person has to look at; `is_mapped` is whether its values are the words of `statuses`; `argument` says
what `:…` after its name is. The first of `fields` is the one that no link to the tool goes without.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from app.leads.malformed import STATUSES

Argument = Literal["dropped", "function", "php_date", "words"]
Told = Annotated[str, Meta(pattern=r"\S")]
_MACRO = Annotated[str, Meta(pattern=r"^\{.*\}$")]


class ToolFault(Exception):
    """A tool's file cannot be used; the text says which, where and why."""


class Known(Struct, frozen=True, forbid_unknown_fields=True):
    """Macros of a tool that mean the same; the module says what each key is."""

    names: Annotated[tuple[Told, ...], Meta(min_length=1)]
    says: Told
    ours: _MACRO | None = None
    to: Annotated[int, Meta(ge=1, le=99)] = 0
    is_mapped: bool = False
    argument: Argument | None = None
    check: str = ""


class Tool(Struct, frozen=True, forbid_unknown_fields=True):
    """A tracker or network whose links people have."""

    id: Annotated[str, Meta(pattern=r"^[a-z]+$")]
    title: Told
    pages: Annotated[tuple[Annotated[str, Meta(pattern=r"^https?://\S+$")], ...], Meta(min_length=1)]
    read_on: date
    unconfirmed: tuple[Told, ...]
    macros: tuple[Known, ...]
    path: str
    fields: Mapping[str, _MACRO]
    hosts: tuple[Told, ...] = ()
    statuses: Mapping[str, Told] = {}
    status_params: tuple[str, ...] = ()
    raw: bool = False
    is_ours: bool = False


def read_tool(name: str, content: bytes) -> Tool:
    """The tool of a file `<name>.toml`. Raises `ToolFault`."""
    try:
        made = msgspec.convert(tomllib.loads(content.decode()), Tool)
        re.compile(made.path)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, re.error) as fault:
        raise ToolFault(f"{name}.toml: {fault}") from None
    if made.id != name:
        raise ToolFault(f"{name}.toml: id is {made.id!r}")
    if unknown := set(made.statuses) - set(STATUSES):
        raise ToolFault(f"{name}.toml: statuses: {sorted(unknown)[0]!r} is none of ours")
    names = [one for known in made.macros for one in _names(known)]
    if twice := {one for one in names if names.count(one) > 1}:
        raise ToolFault(f"{name}.toml: macros: {sorted(twice)[0]!r} stands twice")
    return made


IDS = ("keitaro", "altercpa", "binom", "voluum", "redtrack", "affise")
"""The tools; where a link may as well be of several the first is taken, as more people have it."""


@cache
def tools() -> Mapping[str, Tool]:
    """All tools by id. Raises `ToolFault`."""
    folder = files("app.imports").joinpath("data")
    return {one: read_tool(one, folder.joinpath(f"{one}.toml").read_bytes()) for one in IDS}


@cache
def macros_of(tool_id: str) -> Mapping[str, Known]:
    """A tool's macros by their names, numbers filled in."""
    return {
        name: known if known.ours is None else msgspec.structs.replace(known, ours=ours)
        for known in tools()[tool_id].macros
        for name, ours in _named(known)
    }


def _names(known: Known) -> list[str]:
    return [name for name, _ in _named(known)]


def _named(known: Known) -> list[tuple[str, str]]:
    numbers = [str(number) for number in range(1, known.to + 1)] if known.to else [""]
    return [
        (name.replace("#", number), (known.ours or "").replace("#", number))
        for name in known.names
        for number in (numbers if "#" in name else [""])
    ]
