"""A config as text: its long form, and the layout that it had."""

from __future__ import annotations

import json
from typing import Any

from app.flows.written import short_id


def long_form(postbacks: Any) -> list[dict[str, Any]]:
    """The postbacks of a valid config as a list, whichever form they have."""
    if isinstance(postbacks, list):
        return list(postbacks)
    return [
        {"id": short_id(event, index), "on": [event], "template": link}
        for event, links in postbacks.items()
        for index, link in enumerate(links if isinstance(links, list) else [links])
    ]


def written(value: object, like: str) -> str:
    """A config as text, laid out as the text before it was."""
    return json.dumps(
        value, ensure_ascii=False, indent=2 if "\n" in like.strip() or not like.strip() else None
    )
