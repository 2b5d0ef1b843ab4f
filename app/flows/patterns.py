"""Regular expressions that a config may bring: compiled at save, and run in time linear to the text.

They read what strangers answer, so they are RE2's: no back references, no look-around, and no pattern that
a hostile answer makes run for ever. Syntax: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from functools import lru_cache

import re2

from app.flows.fault import refuse, text

MAX_PATTERN = 500


def read_pattern(value: object, place: str) -> str:
    """A regular expression that compiles. Raises `FlowFault`."""
    found = text(value, place)
    if len(found) > MAX_PATTERN:
        refuse(place, f"{len(found)} characters, over the limit of {MAX_PATTERN}")
    try:
        _compiled(found)
    except re2.error as fault:
        told = fault.args[0].decode("utf-8", "replace") if fault.args else "not understood"
        refuse(place, f"no regular expression of RE2's: {told}")
    return found


def is_found(pattern: str, searched: str) -> bool:
    """Whether a pattern that `read_pattern` has taken is found anywhere in a text."""
    return _compiled(pattern).search(searched) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False  # the fault says it
    return re2.compile(pattern, options)
