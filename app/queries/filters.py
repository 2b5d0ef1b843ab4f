"""What may be asked of the log and its statistics: filters as values, turned into conditions. Pure.

A condition is a fixed piece of SQL; the value in it is a parameter that ClickHouse binds (`{name:Type}`), so
no value ever becomes SQL. Times are Unix milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

TAGS = ("utm_source", "utm_campaign", "utm_content", "utm_term", "utm_medium", "subid")
OUTCOMES = ("delivered", "retrying", "failed", "parked", "discarded", "skipped", "rejected", "blocked")
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AGO = re.compile(r"(\d{1,9})([smhd])")
_CODE = re.compile(r"([1-9])(\d\d|xx)")
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)


class FilterFault(ValueError):
    """A filter cannot be read; the text says what was written and what would do."""


@dataclass(frozen=True)
class Filters:
    """All must hold; None or empty asks for nothing.

    `flow` holds the postback (`*` for a global one), `lead_flow` is the lead's own.
    `codes` is the first and last HTTP status of the answer, `text` is looked for in link, bodies, error and
    reason without regard to case, the times are those of the row (`logged_at`), `until_ms` excluded.
    """

    flow: str | None = None
    lead_flow: str | None = None
    postback: str | None = None
    lead: str | None = None
    click: str | None = None
    host: str | None = None
    event: str | None = None
    outcomes: tuple[str, ...] = ()
    codes: tuple[int, int] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True)
class Where:
    """A WHERE clause (empty for no condition) and the parameters that it names."""

    sql: str
    parameters: dict[str, Any]


_SAME = {
    "flow": "flow_id = {flow:String}",
    "lead_flow": "lead_flow_id = {lead_flow:String}",
    "postback": "postback_id = {postback:String}",
    "lead": "lead_id = {lead:String}",
    "click": "click_id = {click:String}",
    "host": "host = {host:String}",
    "event": "event = {event:String}",
}
_TEXT = "(" + " OR ".join(
    f"positionCaseInsensitiveUTF8({column}, {{text:String}}) > 0"
    for column in ("url", "request_body", "response_body", "error", "reason")
) + ")"  # fmt: skip
_SINCE_MS = "fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_UNTIL_MS = "fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')"


def where_log(filters: Filters, *, also: dict[str, tuple[str, dict[str, Any]]] | None = None) -> Where:
    """The conditions over `postback_log`; `also` adds further ones, each with its parameters."""
    found = {name: sql for name, sql in _SAME.items() if getattr(filters, name)}
    parameters: dict[str, Any] = {name: getattr(filters, name) for name in found}
    if filters.outcomes:
        found["outcomes"] = "outcome IN {outcomes:Array(String)}"
        parameters["outcomes"] = list(filters.outcomes)
    if filters.codes:
        found["codes"] = "response_status BETWEEN {code_from:UInt16} AND {code_to:UInt16}"
        parameters["code_from"], parameters["code_to"] = filters.codes
    if filters.text:
        found["text"] = _TEXT
        parameters["text"] = filters.text
    _add_tags(filters, found, parameters)
    _add_times(filters, "logged_at", found, parameters)
    for name, (sql, more) in (also or {}).items():
        found[name] = sql
        parameters |= more
    return _where(found, parameters)


def where_stats(filters: Filters) -> Where:
    """The conditions over `postback_stats`, which knows flow, postback, host, tags and hours only.

    Raises `FilterFault` for any other filter. An hour counts when any of it lies in the times.
    """
    for name in ("lead_flow", "lead", "click", "event", "text", "outcomes", "codes"):
        if getattr(filters, name):
            raise FilterFault(f"the statistics know no {name}; ask `logs list` for it")
    found = {name: sql for name, sql in _SAME.items() if getattr(filters, name)}
    parameters: dict[str, Any] = {name: getattr(filters, name) for name in found}
    _add_tags(filters, found, parameters)
    _add_times(filters, "hour", found, parameters)
    if "since_ms" in found:
        found["since_ms"] = f"hour >= toStartOfHour({_SINCE_MS})"
    return _where(found, parameters)


def _add_tags(filters: Filters, found: dict[str, str], parameters: dict[str, Any]) -> None:
    for name, value in filters.tags.items():
        if name not in TAGS:
            raise FilterFault(f"no statistics tag {name!r}: they are {', '.join(TAGS)}")
        found[name] = f"{name} = {{{name}:String}}"
        parameters[name] = value


def _add_times(filters: Filters, column: str, found: dict[str, str], parameters: dict[str, Any]) -> None:
    if filters.since_ms is not None:
        found["since_ms"] = f"{column} >= {_SINCE_MS}"
        parameters["since_ms"] = filters.since_ms
    if filters.until_ms is not None:
        found["until_ms"] = f"{column} < {_UNTIL_MS}"
        parameters["until_ms"] = filters.until_ms


def _where(found: dict[str, str], parameters: dict[str, Any]) -> Where:
    return Where("WHERE " + " AND ".join(found.values()) if found else "", parameters)


def moment_ms(text: str, now_ms: int) -> int:
    """A time as people write it: `90s`, `15m`, `2h`, `7d` ago, or ISO 8601 (UTC when it has no offset).

    Raises `FilterFault`.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment is None or moment < _EARLIEST:
        raise FilterFault(f"{text!r} is no time: write 2h, 7d, 2026-11-24 or 2026-11-24T15:00:00Z")
    return round(moment.timestamp() * 1000)


def codes_of(text: str) -> tuple[int, int]:
    """The first and last HTTP status that `404` or `5xx` means. Raises `FilterFault`."""
    found = _CODE.fullmatch(text.strip().lower())
    if found is None:
        raise FilterFault(f"{text!r} is no HTTP status: write 404 or 5xx")
    first = int(found[1]) * 100
    return (first, first + 99) if found[2] == "xx" else (first + int(found[2]),) * 2
