"""Name the first wrong field of a lead event, in the order in which its text has them.

The typed decoder of `events` is fast and says less: it names no key of `meta`, takes the first of two
equal keys at its word and looks into no key that it does not know. So what it does not take at once is
read again here, slowly, and told plainly. Of equal keys the last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.leads.instant import unix_ms
from app.leads.plain import Reason, is_blank, kind, scalar_fault, shown, step, surrogate

MAX_BYTES = 256 * 1024
STATUSES = {
    "new": "new",
    "wait": "new",
    "hold": "hold",
    "approve": "approve",
    "cancel": "cancel",
    "trash": "trash",
}
IDS = ("event_id", "lead_id")
TEXTS = ("goal", "currency", "reason", "uid")
CLICK = ("id", "ip", "ua", "geo", "lang", "referer", "url")
CUSTOMER = ("name", "phone", "email", "comment")

Faults = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is wrong with an event: the path of its first wrong field ("" is the whole of it) and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


def first_fault(plain: dict[str, Any], *, need_ids: bool) -> Malformed | None:
    """The first wrong field of an event in document order, then what is missing; None when it is sound."""
    for path, reason in _faults(plain, need_ids):
        return Malformed(path, reason)
    if need_ids:
        for name in IDS:
            if name not in plain:
                return Malformed(name, "missing")
    return None


def _faults(plain: dict[str, Any], need_ids: bool) -> Faults:
    for key, value in plain.items():
        if key in IDS:
            reason = _id_fault(value) if need_ids else _text_fault(value)
            if reason:
                yield key, reason
        elif key in _FIELDS:
            if reason := _FIELDS[key](value):
                yield key, reason
        elif key in _OBJECTS:
            yield from _object_faults(key, value)
        else:
            yield from _unknown_faults(step("", key), value)


def _object_faults(name: str, value: object) -> Faults:
    """The faults of `click`, `customer`, `tags` and `meta`; null is none."""
    if not isinstance(value, dict):
        if value is not None:
            yield name, f"expected an object, got {kind(value)}"
        return
    known = _OBJECTS[name]
    for key, part in value.items():
        path = step(name, key)
        if reason := surrogate(key):
            yield path, reason
        if known is None or key in known:
            if reason := scalar_fault(part) if known is None else _text_fault(part):
                yield path, reason
        else:
            yield from _unknown_faults(path, part)


def _unknown_faults(path: str, value: object) -> Faults:
    """What makes even an unknown key's value bad input; its shape is its own affair."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _unknown_faults(step(path, key), part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unknown_faults(f"{path}[{index}]", part)
    elif reason := scalar_fault(value):
        yield path, reason


def _id_fault(value: object) -> Reason:
    if isinstance(value, str) and not is_blank(value):
        return surrogate(value)
    return "missing" if value is None or isinstance(value, str) else f"expected a text, got {kind(value)}"


def _text_fault(value: object) -> Reason:
    if value is None:
        return None
    return surrogate(value) if isinstance(value, str) else f"expected a text, got {kind(value)}"


def _status_fault(value: object) -> Reason:
    if not isinstance(value, str):
        return _text_fault(value)
    if is_blank(value) or value in STATUSES:
        return None
    return f"unknown status {shown(value)}; known are {', '.join(STATUSES)}"


def _time_fault(value: object) -> Reason:
    if not isinstance(value, str) or is_blank(value):
        return _text_fault(value)
    if unix_ms(value) is None:
        return f"expected a time such as 2026-11-23T15:00:00.123Z (ISO 8601), got {shown(value)}"
    return None


def _number_fault(value: object) -> Reason:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"expected a number, got {kind(value)}"
    return scalar_fault(value)


def _flag_fault(value: object) -> Reason:
    return None if value is None or isinstance(value, bool) else f"expected true or false, got {kind(value)}"


_FIELDS: dict[str, Callable[[object], Reason]] = {
    **dict.fromkeys(TEXTS, _text_fault),
    "flow_id": _text_fault,
    "status": _status_fault,
    "occurred_at": _time_fault,
    "price": _number_fault,
    "silent": _flag_fault,
    "erase": _flag_fault,
}
_OBJECTS: dict[str, tuple[str, ...] | None] = {
    "click": CLICK,
    "customer": CUSTOMER,
    "tags": None,
    "meta": None,
}
KNOWN = frozenset((*IDS, *_FIELDS, *_OBJECTS))
