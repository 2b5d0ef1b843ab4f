"""How two versions of a config differ, line by line, in one layout. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_AROUND = 3


class Line(NamedTuple):
    """A line of a difference; `gap` stands for lines that are the same and are left out."""

    kind: Literal["same", "added", "removed", "gap"]
    text: str


def laid_out(config: bytes | str) -> str:
    """A config in the layout that versions are compared in; as it is when it is no JSON."""
    text = config.decode("utf-8", "replace") if isinstance(config, bytes) else config
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def difference(before: bytes | str, after: bytes | str) -> list[Line]:
    """What was removed and added, with three lines around; empty when they say the same."""
    old, new = laid_out(before).splitlines(), laid_out(after).splitlines()
    if old == new:
        return []
    return list(_lines(old, new))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    done = 0
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_AROUND):
        if group[0][1] > done:
            yield Line("gap", "")
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                yield from (Line("same", text) for text in old[start:end])
            else:
                yield from (Line("removed", text) for text in old[start:end])
                yield from (Line("added", text) for text in new[new_start:new_end])
        done = group[-1][2]
    if done < len(old):
        yield Line("gap", "")
