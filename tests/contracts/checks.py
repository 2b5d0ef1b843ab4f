"""What vendors check of an event's fields, each raising `Wrong` with the place and the reason."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from typing import Any


class Wrong(Exception):
    """A field that a vendor refuses."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place} {why}")
        self.place = place


def sha256(text: str) -> str:
    """The SHA-256 of a text, as vendors write it."""
    return hashlib.sha256(text.encode()).hexdigest()


def members(value: Any, place: str) -> Mapping[str, Any]:
    """An object with something in it, and no member that says nothing."""
    if not isinstance(value, dict) or not value:
        raise Wrong(place, "must be an object")
    if empty := [name for name, told in value.items() if told in (None, "", [], {})]:
        raise Wrong(f"{place}.{empty[0]}", "is empty")
    return value


def one_of_a_list(value: Any, place: str) -> Mapping[str, Any]:
    """The one event of a list, as a sender that does not batch sends it."""
    if not isinstance(value, list) or len(value) != 1:
        raise Wrong(place, "must be a list of one event")
    return members(value[0], f"{place}[0]")


def text(told: Mapping[str, Any], name: str, pattern: str = r"[\s\S]*\S[\s\S]*") -> str:
    """A text that is there and is of a form."""
    value = told.get(name)
    if value is None:
        raise Wrong(name, "is required")
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise Wrong(name, f"is not valid: {value!r}")
    return value


def optional(told: Mapping[str, Any], name: str, pattern: str = r"[\s\S]*\S[\s\S]*") -> None:
    """The same of a text that need not be there."""
    if name in told:
        text(told, name, pattern)


def whole(told: Mapping[str, Any], name: str) -> int:
    """A whole number that is there."""
    value = told.get(name)
    if value is None:
        raise Wrong(name, "is required")
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(name, "must be a whole number")
    return value


def moment(told: Mapping[str, Any], name: str, now: float, oldest_s: float, unit: int = 1) -> None:
    """A moment in units of which a second has so many, neither ahead nor older than `oldest_s`."""
    age_s = now - whole(told, name) / unit
    if age_s < -60:
        raise Wrong(name, "is in the future: check its unit")
    if age_s > oldest_s:
        raise Wrong(name, "is too far in the past")


def digests(told: Mapping[str, Any], name: str, known: Mapping[str, str]) -> bool:
    """Whether the hashes at a field are those of what is known; each must be a SHA-256 in lower-case hex."""
    if name not in told:
        return False
    values = told[name] if isinstance(told[name], list) else [told[name]]
    for value in values:
        if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
            raise Wrong(name, "must be hashed with SHA-256")
    return any(value in known for value in values)


def amount(told: Mapping[str, Any], name: str) -> None:
    """An amount of money as a number."""
    value = told.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise Wrong(name, f"must be an amount, not {value!r}")


def currency(told: Mapping[str, Any], name: str = "currency") -> None:
    """A currency of ISO 4217."""
    text(told, name, "[A-Z]{3}")


def address(told: Mapping[str, Any], name: str) -> None:
    """An IP address that is not hashed."""
    if name in told:
        try:
            ipaddress.ip_address(told[name])
        except ValueError:
            raise Wrong(name, f"is no IP address: {told[name]!r}") from None


def people(*told: str) -> dict[str, str]:
    """What a vendor knows of its users, by hash."""
    return {sha256(one): one for one in told}


class Counted:
    """What a vendor counts: each key once, what came again is told apart."""

    def __init__(self) -> None:
        self.events: dict[Any, Mapping[str, Any]] = {}
        self.matched: dict[Any, list[str]] = {}
        self.repeats: list[Any] = []

    def take(self, key: Any, event: Mapping[str, Any], matched: list[str]) -> None:
        """Count an event, with the names of the fields by which its person is known."""
        if key in self.events:
            self.repeats.append(key)
        else:
            self.events[key], self.matched[key] = event, matched
