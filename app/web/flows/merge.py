"""Two edits of one config put together: what one person changed is put on top of what another saved. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

GONE: Any = object()
"""What stands for a key that is not there."""


class Clash(NamedTuple):
    """A place that both changed, each in another way; `theirs` and `mine` are GONE where it was taken out."""

    place: str
    theirs: Any
    mine: Any


def merged(base: Any, theirs: Any, mine: Any) -> tuple[Any, list[Clash]]:
    """`theirs` with what `mine` changed of `base`; where both changed the same, mine and a clash.

    Postbacks of a list are known by their ids, those of the short form by their events.
    """
    clashes: list[Clash] = []
    return _merged(base, theirs, mine, "", clashes), clashes


def _merged(base: Any, theirs: Any, mine: Any, place: str, clashes: list[Clash]) -> Any:
    if mine == base or mine is theirs:
        return theirs
    if theirs in (base, mine):
        return mine
    if all(isinstance(one, dict) for one in (base, theirs, mine)):
        return _members(base, theirs, mine, place, clashes)
    if place == "postbacks" and all(_is_named(one) for one in (base, theirs, mine)):
        return list(_members(_by_id(base), _by_id(theirs), _by_id(mine), place, clashes).values())
    clashes.append(Clash(place, theirs, mine))
    return mine


def _members(base: Any, theirs: Any, mine: Any, place: str, clashes: list[Clash]) -> dict[str, Any]:
    found = {}
    for key in dict.fromkeys((*theirs, *mine)):
        inner = f"{place}.{key}" if place else key
        value = _merged(base.get(key, GONE), theirs.get(key, GONE), mine.get(key, GONE), inner, clashes)
        if value is not GONE:
            found[key] = value
    return found


def _is_named(postbacks: Any) -> bool:
    """Whether it is a list of postbacks with an id of its own each."""
    if not isinstance(postbacks, list) or not all(isinstance(one, dict) for one in postbacks):
        return False
    names = [one.get("id") for one in postbacks]
    return all(isinstance(name, str) and name for name in names) and len(set(names)) == len(names)


def _by_id(postbacks: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["id"]: one for one in postbacks}
