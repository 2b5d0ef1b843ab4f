"""A pasted link in pieces: its text, and what another tool would fill in.

Filled in are macros with an argument after a colon (`{status: lead=install}`), raw ones (`{_subid}`), those
that a browser has percent-encoded (`%7Bsubid%7D`), and what stands for a value in the links that trackers
and networks show (`cid=REPLACE&payout=OPTIONAL`, `[CLICK_ID]`, `#CLICK_ID#`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

_piece = re.compile(
    r"""\{(?P<plain>_?[A-Za-z][^{}]*)\}
      | %7[Bb](?P<encoded>_?[A-Za-z](?:[^{}%&?]|%(?!7[BbDd]))*)%7[Dd]
      | (?<==)(?P<word>REPLACE|OPTIONAL|\{\}|\[[A-Za-z_]\w*\]|\#[A-Za-z_]+\#|<[A-Za-z_]+>|\$\{\w+\})
        (?=[&|\#]|\Z)""",
    re.VERBOSE,
)
_macro = re.compile(r"(?P<raw>_?)(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?:(?P<colon>:)(?P<argument>[^|]*))?")
_param = re.compile(r"(?:^|[?&|\s])([^=&?|\s{}\"]+)=\Z")
_ours = re.compile(r"_?[A-Za-z][A-Za-z0-9_.-]*\|.*", re.DOTALL)


class Asked(NamedTuple):
    """What another tool fills in: as it was written, `at` which character, as the value of which parameter.

    `param` is empty where it is not the whole value of one, `name` for a mere placeholder; `argument` is
    None without a colon. `is_ours` is whether it is a macro with our filters, then it is `argument` whole.
    """

    text: str
    at: int
    param: str
    name: str = ""
    is_raw: bool = False
    argument: str | None = None
    is_ours: bool = False


def pieces(link: str) -> Iterator[str | Asked]:
    """The link in its order, nothing left out."""
    done = 0
    for found in _piece.finditer(link):
        asked = _asked(link, found)
        if asked is None:
            continue
        yield link[done : found.start()]
        yield asked
        done = found.end()
    yield link[done:]


def param_of(link: str, start: int, end: int) -> str:
    """The parameter whose whole value stands from `start` to `end`; empty where there is none."""
    before = _param.search(link, max(0, start - 100), start)
    return before[1] if before and link[end : end + 1] in ("", "&", "|", "#", " ") else ""


def _asked(link: str, found: re.Match[str]) -> Asked | None:
    param = param_of(link, *found.span())
    if found["word"]:
        return Asked(found[0], found.start(), param)
    told = found["plain"] or unquote(found["encoded"])
    if _ours.fullmatch(told):
        name = told.partition("|")[0].lstrip("_")
        return Asked(found[0], found.start(), param, name, argument=told, is_ours=True)
    macro = _macro.fullmatch(told)
    if macro is None:
        return None
    argument = unquote(macro["argument"]) if macro["colon"] else None
    return Asked(found[0], found.start(), param, macro["name"], bool(macro["raw"]), argument)
