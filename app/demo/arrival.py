"""What arrived at the demo's receiver, read as a receiver reads it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl


@dataclass
class Arrival:
    """All that arrived of one request: `fields` as they were read, how often it came and was accepted."""

    fields: dict[str, str]
    times: int = 0
    accepted: int = 0


def fields_of(query: str, content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a request as a receiver reads them, from query, form and JSON.

    JSON, also that in a form's value, is taken apart: `data.0.user.name`.
    """
    found: dict[str, str] = {}
    pairs = parse_qsl(query, keep_blank_values=True)
    text = body.decode("utf-8", "replace")
    if content_type == "application/json":
        found |= _leaves("", text)
    else:
        pairs += parse_qsl(text, keep_blank_values=True)
    for name, value in pairs:
        found |= _leaves(name, value) if value[:1] in ("{", "[") else {name: value}
    return found


def _leaves(name: str, text: str) -> dict[str, str]:
    try:
        return dict(_walk(name, json.loads(text)))
    except ValueError:
        return {name: text}


def _walk(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _walk(f"{name}.{key}" if name else str(key), part)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)
