"""Every text that the pages say, from one file, `texts.json`, for translation.

A key says where its text is used; what stands in braces is filled in.
"""

from __future__ import annotations

import json
from importlib import resources

TEXTS: dict[str, str] = json.loads((resources.files("app.web") / "texts.json").read_text(encoding="utf-8"))


def say(key: str, **values: object) -> str:
    """The text of a key, `values` filled in. Raises `KeyError` for a key that there is not."""
    return TEXTS[key].format(**values) if values else TEXTS[key]
