"""What the doctor says: a finding, or that something could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail", "unchecked"]
Group = Literal[
    "settings",
    "Kafka",
    "topics",
    "producers",
    "workers",
    "clocks",
    "ClickHouse",
    "secrets",
    "flows",
    "receivers",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for a person: what is so, why that matters or how it is known, and what to do about it.

    `fail` loses or holds up postbacks, `warn` may, `unchecked` could not be looked at. Commands in `do` stand
    between backticks.
    """

    group: Group
    level: Level
    what: str
    why: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be had; the text says why."""

    why: str


def unchecked(group: Group, what: str, fact: Unknown) -> Finding:
    """The finding that something was not looked at."""
    return Finding(group, "unchecked", f"{what}: not checked", fact.why)


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun: 1 record, 1 204 records."""
    grouped = f"{number:,}".replace(",", " ")
    return f"{grouped} {one if number == 1 else many or one + 's'}"


def listed(names: list[str], most: int = 3) -> str:
    """Names with commas; beyond `most` the number of the others."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
