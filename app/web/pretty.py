"""Bodies as people read them: JSON with indentation, a form with a line for each pair. Pure.

Only white space is added: digits, escapes and repeated names of JSON stay as they were sent.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote_plus

_token = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_pair = re.compile(r"[^=&\s]+=[^&\s]*")
_MOST_DEPTH = 100


def pretty(body: str) -> str:
    """The body laid out; empty when there is nothing to lay out."""
    return _json(body) or _form(body)


def _json(body: str) -> str:
    if body.lstrip()[:1] not in ("{", "["):
        return ""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return ""
    found = _laid_out(_token.findall(body))
    return "" if found == body else found


def _laid_out(tokens: list[str]) -> str:
    parts: list[str] = []
    depth = 0
    for part, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if part in "}]":
            depth -= 1
            if parts[-1] not in "{[":
                parts.append(_line(depth))
        parts.append(part)
        if part in "{[":
            depth += 1
        if part == ":":
            parts.append(" ")
        elif part == "," or (part in "{[" and following not in "}]"):
            parts.append(_line(depth))
    return "".join(parts)


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _MOST_DEPTH)


def _form(body: str) -> str:
    pairs = body.strip().split("&")
    if not all(_pair.fullmatch(pair) for pair in pairs):
        return ""
    return "\n".join(f"{unquote_plus(name)} = {unquote_plus(text)}" for name, _, text in map(_parts, pairs))


def _parts(pair: str) -> tuple[str, str, str]:
    return pair.partition("=")
