"""The filters of the log as they stand in a page's address: read, and written back. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from app.queries.filters import OUTCOMES, TAGS, FilterFault, Filters
from app.web.asked import Asked, filters_of
from app.web.problem import Problem
from app.web.who import Asker

SAME = ("flow", "lead_flow", "postback", "lead", "click", "host", "event", "text")
NAMES = (*SAME, *TAGS, "outcome", "code", "since", "until")
"""The parameters, named as the options of `postbacks logs list`; `outcome` may be given several times."""

Pairs = tuple[tuple[str, str], ...]


def told(query: Iterable[tuple[str, str]], *, besides: Iterable[str] = ()) -> Pairs:
    """What of an address asks for something; `besides` are parameters that are no filters and are left out.

    Raises `FilterFault` for a parameter that is none, or is given twice.
    """
    pairs = tuple((name, text.strip()) for name, text in query if text.strip() and name not in set(besides))
    for name, _ in pairs:
        if name not in NAMES:
            raise FilterFault(f"there is no filter {name!r}: they are {', '.join(NAMES)}")
        if name != "outcome" and sum(name == other for other, _ in pairs) > 1:
            raise FilterFault(f"{name} is given twice")
    return tuple(sorted(dict.fromkeys(pairs), key=lambda pair: NAMES.index(pair[0])))


def filters_in(pairs: Pairs, asker: Asker, now_ms: int) -> Filters:
    """The filters that `told` has found. Raises `FilterFault`, and `Problem` as `filters_of`."""
    values, outcomes = dict(pairs), tuple(text for name, text in pairs if name == "outcome")
    if unknown := [text for text in outcomes if text not in OUTCOMES]:
        raise FilterFault(f"there is no outcome {unknown[0]!r}: they are {', '.join(OUTCOMES)}")
    asked = Asked(**{**values, "outcome": outcomes})  # type: ignore[arg-type]  # each is a known one
    return filters_of(asked, asker, now_ms)


def asked_in(
    query: Iterable[tuple[str, str]], asker: Asker, now_ms: int, *, besides: Iterable[str] = ()
) -> tuple[Pairs, Filters]:
    """What `told` and `filters_in` find, where there is no form to show a fault in. Raises `Problem`."""
    try:
        pairs = told(query, besides=besides)
        return pairs, filters_in(pairs, asker, now_ms)
    except FilterFault as fault:
        raise Problem(400, str(fault)) from None


def address(path: str, pairs: Pairs = (), **more: str) -> str:
    """The address that asks for the same, `more` put in place of what it had; an empty text takes one out."""
    kept = [(name, text) for name, text in pairs if name not in more]
    query = urlencode([*kept, *((name, text) for name, text in more.items() if text)])
    return f"{path}?{query}" if query else path
