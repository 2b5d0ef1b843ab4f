"""Reading a config value by value, each fault with its place.

A reader takes a plain JSON value and its place (`postbacks[1].when.geo`), gives back what it was meant to
be and raises `FlowFault` when it is something else. Nothing is coerced: `"10"` is no number and `1` is
no boolean, because a config that is half understood sends the wrong thing quietly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from app.leads.plain import is_blank, kind, shown, surrogate
from app.templates.names import nearest

MAX_NAME = 200


class FlowFault(Exception):
    """A flow config cannot work: `place` is the path of the value, `reason` says why and what would do."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


class Members(dict[str, object]):
    """A JSON object that remembers a key which stood in it twice: in a config that is a lost postback."""

    twice: str | None = None

    @classmethod
    def of_pairs(cls, pairs: list[tuple[str, object]]) -> Members:
        """The object of its pairs; to be `json.loads`'s `object_pairs_hook`."""
        made = cls(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            made.twice = next(key for key in keys if keys.count(key) > 1)
        return made


def refuse(place: str, reason: str) -> NoReturn:
    """Raise the fault."""
    raise FlowFault(place, reason)


def within(place: str, key: str) -> str:
    """The place of a member."""
    return f"{place}.{key}" if place else key


def meant(word: str, known: Collection[str]) -> str:
    """What a fault says about an unknown word: the nearest known one, and all of them."""
    return f"did you mean {nearest(word, known)}? Known are {', '.join(known)}"


def members(value: object, place: str, known: Collection[str] | None = None) -> Mapping[str, object]:
    """An object, with `known` as the only keys that may stand in it."""
    if not isinstance(value, dict):
        refuse(place, f"expected an object, got {kind(value)}")
    if isinstance(value, Members) and value.twice is not None:
        refuse(within(place, value.twice), "this key stands twice")
    for key in value:
        if reason := surrogate(key):
            refuse(place, reason)
        if known is not None and key not in known:
            refuse(within(place, key), f"unknown key; {meant(key, known)}")
    return value


def is_told(told: Mapping[str, object], key: str) -> bool:
    """Whether a key is there with a value: a blank text counts as missing."""
    value = told.get(key, "")
    return not (isinstance(value, str) and is_blank(value))


def needed(told: Mapping[str, object], key: str, place: str) -> object:
    """The value of a key that must be there."""
    if not is_told(told, key):
        refuse(within(place, key), "missing")
    return told[key]


def items(value: object, place: str) -> list[object]:
    """A list that is not empty."""
    if not isinstance(value, list):
        refuse(place, f"expected a list, got {kind(value)}")
    if not value:
        refuse(place, "an empty list")
    return value


def text(value: object, place: str) -> str:
    """A text that is not blank."""
    if not isinstance(value, str):
        refuse(place, f"expected a text, got {kind(value)}")
    if is_blank(value):
        refuse(place, "an empty text")
    if reason := surrogate(value):
        refuse(place, reason)
    return value


def name(value: object, place: str) -> str:
    """A text that can name something in a key, a path and a row: up to 200 printable characters."""
    found = text(value, place)
    if len(found) > MAX_NAME:
        refuse(place, f"{len(found)} characters, over the limit of {MAX_NAME}")
    if not found.isprintable() or found != found.strip():
        refuse(place, "control characters, line breaks and white space at its ends cannot stand in a name")
    return found


def flag(value: object, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        refuse(place, f"expected true or false, got {kind(value)}")
    return value


def choice(value: object, place: str, known: Collection[str]) -> str:
    """One of the known words."""
    found = text(value, place)
    if found not in known:
        refuse(place, f"unknown {shown(found)}; {meant(found, known)}")
    return found


def number(value: object, place: str, least: float, most: float, unit: str = "") -> float:
    """A number within bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(place, f"expected a number, got {kind(value)}")
    if not least <= value <= most:
        refuse(place, f"{value} is not within {least:.10g} … {most:.10g}{unit}")
    return value


def whole(value: object, place: str, least: int, most: int) -> int:
    """A whole number within bounds, both included."""
    found = number(value, place, least, most)
    if found != int(found):
        refuse(place, f"expected a whole number, got {found}")
    return int(found)
