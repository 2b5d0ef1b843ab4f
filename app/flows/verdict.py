"""The rules by which a postback reads an answer: `verdict` of a flow config.

A rule holds when everything that it names holds of the answer; the first that holds decides.

| key | holds |
| --- | --- |
| `status` | the answer's status is `200`, or of the class `2xx` |
| `json` | the body is JSON and has a value at this path (`code`, `data.errors[0].code`, `$.ok`) |
| `header` | the answer has this header |
| `match` | this regular expression (RE2) is found in the body (64 KiB at most); `(?i)` ignores case |
| `is` | the value at `json`, or the header's, is this one or one of this list |
| `not` | there is such a value and it is none of these |
| `then` | what the answer means: `ok retry throttle auth final stop` |

`retry_after` of a `throttle` is the JSON path of the seconds to wait, for receivers that say them in the body
(`parameters.retry_after`); where no number is there the header `Retry-After` counts, as without it.

With `is` and `not` a value that is not there is null, and meets `is: null` alone: so
`{"json": "code", "not": 0}` does not speak about a body without a code. Values are compared as in `when`.
A rule speaks about answers: time-outs and connection errors keep their own verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from app.flows.compare import scalars
from app.flows.fault import choice, members, refuse, text, within
from app.flows.patterns import read_pattern
from app.leads.events import Scalar
from app.leads.plain import shown

Then = Literal["ok", "retry", "throttle", "auth", "final", "stop"]
THENS = ("ok", "retry", "throttle", "auth", "final", "stop")
KEYS = ("status", "json", "header", "match", "is", "not", "then", "retry_after")
MAX_RULES = 32
MAX_PATH = 200

_status = re.compile(r"[1-5]([0-9]{2}|xx)")
_step = re.compile(r"([^.\[\]]+)|\[([0-9]{1,6})\]")
_header = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")  # a token, RFC 9110, section 5.6.2


class Verdict(Struct, frozen=True, omit_defaults=True, rename={"is_": "is", "not_": "not"}):
    """One rule, normalised; it travels with the request. `header` is in lower case."""

    then: Then
    status: str | None = None
    json: str | None = None
    header: str | None = None
    match: str | None = None
    is_: tuple[Scalar, ...] | None = None
    not_: tuple[Scalar, ...] | None = None
    retry_after: str | None = None


def read_verdict(value: object, place: str) -> tuple[Verdict, ...]:
    """The rules of a postback in their order. Raises `FlowFault`."""
    if not isinstance(value, list):
        refuse(place, "expected a list of rules")
    if len(value) > MAX_RULES:
        refuse(place, f"{len(value)} rules, over the limit of {MAX_RULES}")
    return tuple(_rule(rule, f"{place}[{index}]") for index, rule in enumerate(value))


def path_steps(path: str) -> tuple[str | int, ...] | None:
    """The keys and indexes of a JSON path; None when it is no path.

    `data.errors[0].code` and the same after `$.` are keys and, in brackets, indexes from 0. `$` alone is
    the whole value.
    """
    rest = path.removeprefix("$")
    if rest is not path and not rest:
        return ()
    rest = rest if rest.startswith((".", "[")) else "." + rest
    steps: list[str | int] = []
    while rest:
        found = _step.match(rest, 1 if rest.startswith(".") else 0)
        if found is None or (found[1] is None) == rest.startswith("."):
            return None
        steps.append(found[1] if found[1] is not None else int(found[2]))
        rest = rest[found.end() :]
    return tuple(steps)


def _rule(value: object, place: str) -> Verdict:
    told = members(value, place, KEYS)
    if "then" not in told:
        refuse(within(place, "then"), f"missing; it is one of {', '.join(THENS)}")
    if not told.keys() & {"status", "json", "header", "match"}:
        refuse(place, "a rule needs a status, a json path, a header or a match")
    if "json" in told and "header" in told:
        refuse(place, "a rule looks at a json path or at a header; write two rules")
    for key in ("is", "not"):
        if key in told and not told.keys() & {"json", "header"}:
            refuse(within(place, key), "compares the value at a json path or of a header; neither is named")
    if "retry_after" in told and told["then"] != "throttle":
        refuse(within(place, "retry_after"), "only a throttle waits as long as the receiver asks")
    read: dict[str, Any] = {
        key: _READERS[key](told[key], within(place, key)) for key in _READERS if key in told
    }
    return Verdict(is_=read.pop("is", None), not_=read.pop("not", None), **read)


def _read_then(value: object, place: str) -> str:
    return choice(value, place, THENS)


def _read_header(value: object, place: str) -> str:
    return read_header_name(value, place).lower()


def read_header_name(value: object, place: str) -> str:
    """The name of a header. Raises `FlowFault`."""
    found = text(value, place)
    if _header.fullmatch(found) is None:
        refuse(place, f"{shown(found)} is no header name")
    return found


def _read_status(value: object, place: str) -> str:
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value, place)
    if _status.fullmatch(found.lower()) is None:
        refuse(place, f"{shown(found)} is no status such as 200 or 2xx")
    return found.lower()


def _read_path(value: object, place: str) -> str:
    found = text(value, place)
    if len(found) > MAX_PATH or path_steps(found) is None:
        refuse(place, f"{shown(found)} is no path such as code or data.errors[0].code")
    return found


_READERS: dict[str, Callable[[object, str], object]] = {
    "status": _read_status,
    "json": _read_path,
    "header": _read_header,
    "match": read_pattern,
    "is": scalars,
    "not": scalars,
    "then": _read_then,
    "retry_after": _read_path,
}
