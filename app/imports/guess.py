"""Which tool wrote a link, by the macros that only it has, and which it leads to, by host and parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from app.imports.link import Asked
from app.imports.tool import Tool, macros_of, tools
from app.templates.names import is_known

_ALONE, _SHARED, _ARGUMENT, _RAW = 6, 2, 4, 4
_HOST, _PATH, _PARAM = 6, 1, 2
_LEAST = 2 * _PARAM + _PATH
_params = re.compile(r"[?&|]([^=&?|{}#\s]+)=")


class Guess(NamedTuple):
    """The tools that may well have written a link, one alone unless more are as likely; why the first."""

    tools: tuple[Tool, ...]
    why: str = ""


def guess(asked: Sequence[Asked], to: Tool | None = None) -> Guess:
    """The tools whose macros these are, `to` before others as likely; none when they tell nothing."""
    scores = {tool_id: sum(_of_macro(tool, one) for one in asked) for tool_id, tool in tools().items()}
    best = max(scores.values())
    if not best:
        return Guess(())
    likely = sorted((one for one in tools().values() if scores[one.id] == best), key=lambda one: one != to)
    own = list(dict.fromkeys(one.text for one in asked if _of_macro(likely[0], one)))
    return Guess(tuple(likely), ", ".join(own[:3]))


def receiver(link: str) -> Tool | None:
    """The tool that a link leads to; None when neither its host nor its parameters tell."""
    host, path = _host_and_path(link)
    params = set(_params.findall(link))
    scores = {tool_id: _of_link(tool, host, path, params) for tool_id, tool in tools().items()}
    best = max(scores, key=lambda tool_id: scores[tool_id])
    return tools()[best] if scores[best] >= _LEAST else None


def _of_link(tool: Tool, host: str, path: str, params: set[str]) -> int:
    is_its_host = any(f".{host}".endswith(one.removeprefix("*")) for one in tool.hosts)
    if not is_its_host and next(iter(tool.fields)) not in params:
        return 0
    of_path = _PATH if re.search(tool.path, path) else 0
    return (_HOST if is_its_host else 0) + of_path + _PARAM * len(params & set(tool.fields))


def _host_and_path(link: str) -> tuple[str, str]:
    """The host and the path of what may be no link at all."""
    try:
        told = urlsplit(link.strip().partition("?")[0])
        return (told.hostname or "").rstrip("."), told.path
    except ValueError:
        return "", ""


def _of_macro(tool: Tool, asked: Asked) -> int:
    owners = _owners(asked.name)
    if tool.id not in owners or asked.is_ours:  # no tool has filters
        return 0
    known = macros_of(tool.id).get(asked.name)
    score = _ALONE if len(owners) == 1 else _SHARED
    if asked.argument is not None and known is not None and known.argument is not None:
        score += _ARGUMENT
    return score + (_RAW if asked.is_raw and tool.raw else 0)


@cache
def _owners(name: str) -> frozenset[str]:
    """The tools that have a macro of this name."""
    return frozenset(
        tool_id
        for tool_id, tool in tools().items()
        if name in macros_of(tool_id) or (tool.is_ours and is_known(name))
    )
