"""Regular expressions that a config may bring: compiled at save, bounded, never endless.

Python's engine tries every way a repeat inside a repeat can be cut (`(a+)+$`), which on thirty bytes of a
stranger's answer takes for ever and would hold the whole worker. So an open repeat inside an open repeat
is refused, and so is a back reference.
"""

from __future__ import annotations

import re
import re._parser as sre  # type: ignore[import-not-found]  # the only parser that reads what `re` reads
import warnings
from collections.abc import Iterator
from typing import Any

from app.flows.fault import refuse, text

MAX_PATTERN = 500
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def read_pattern(value: object, place: str) -> str:
    """A regular expression that compiles and always ends. Raises `FlowFault`."""
    found = text(value, place)
    if len(found) > MAX_PATTERN:
        refuse(place, f"{len(found)} characters, over the limit of {MAX_PATTERN}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(found)
            parsed = sre.parse(found)
    except (re.error, RecursionError, OverflowError, Warning) as fault:
        refuse(place, f"no regular expression: {fault}")
    if any(name == "GROUPREF" for name, _ in _walk(parsed)):
        refuse(place, "a back reference can take for ever and is not taken")
    for name, argument in _walk(parsed):
        if _is_open(name, argument) and any(_is_open(*inner) for inner in _walk(argument[2])):
            refuse(place, "a repeat inside a repeat, such as (a+)+, can take for ever; write it without")
    return found


def _is_open(name: str, argument: Any) -> bool:
    """Whether a node repeats its inside without end, or often enough for the cuts to be too many."""
    return name in _REPEATS and argument[1] > max(argument[0], 10)


def _walk(node: Any) -> Iterator[tuple[str, Any]]:
    """Every operation of a parsed expression with its argument."""
    if isinstance(node, sre.SubPattern):
        for operation, argument in node:
            yield str(operation), argument
            yield from _walk(argument)
    elif isinstance(node, tuple | list):
        for part in node:
            yield from _walk(part)
