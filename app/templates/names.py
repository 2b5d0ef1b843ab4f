"""The names that templates know: macros, prefixes, filters; and the known name nearest to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable

CUSTOMER = ("name", "phone", "email", "comment")
CLICK = ("ip", "ua", "geo", "lang", "referer", "url")
STATISTICS_TAGS = ("utm_source", "utm_campaign", "utm_content", "utm_term", "utm_medium", "subid")
WELL_KNOWN_TAGS = (
    *STATISTICS_TAGS,
    *("adid", "fbclid", "fbc", "fbp", "gclid", "gbraid", "wbraid", "ttclid", "yclid", "msclkid"),
    *(f"sub{number}" for number in range(1, 31)),
)
TABLE = (
    *(
        "id",
        "click",
        "flow",
        "status",
        "stage",
        "event",
        "goal",
        "uid",
        "reason",
        "price",
        "cash",
        "currency",
    ),
    *CUSTOMER,
    *CLICK,
    *("now", "time", "event_id", "postback", "request", "random"),
)
KNOWN = frozenset((*TABLE, *WELL_KNOWN_TAGS))
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
"""What a name begins with."""

PREFIXES = ("meta", "tag", "param", "secret")

VOLATILE = frozenset(("now", "time", "random", "request", "event_id"))
"""The macros that two renderings of the same facts may differ in; a fingerprint takes them as constants."""

_OURS = frozenset(
    (
        *("id", "flow", "status", "stage", "event", "price", "cash", "currency", "ip", "geo"),
        *("now", "time", "event_id", "postback", "request", "random"),
    )
)


def is_known(name: str) -> bool:
    """Whether a macro's name (without the `_` of a raw one) is known, whatever tags the lead has."""
    prefix, dot, rest = name.partition(".")
    return name in KNOWN or (bool(dot and rest) and prefix in PREFIXES)


def split_raw(name: str) -> tuple[str, bool]:
    """A macro's name without the `_` that makes it raw, and whether it is raw.

    `_` alone, and before what is no name, is a plain name's.
    """
    return (name[1:], True) if name[0] == "_" and name[1:2] in LETTERS else (name, False)


def is_visitors(name: str) -> bool:
    """Whether a visitor can choose the value of the macro."""
    return name not in _OURS and name.partition(".")[0] not in ("param", "secret")


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The known name that looks most like a wrong one."""
    from difflib import SequenceMatcher  # late: only for a person who mistyped

    def likeness(name: str) -> tuple[bool, float, int]:
        match = SequenceMatcher(None, name.lower(), wrong.lower())
        return name.lower() == wrong.lower(), match.ratio(), -len(name)

    return max(known, key=likeness)


def nearest_macro(wrong: str) -> str:
    """The known macro that looks most like a wrong name, with its prefix spelled out where it has one."""
    _, _, rest = wrong.partition(".")
    return nearest(wrong, (*sorted(KNOWN), *(f"{prefix}.{rest or 'NAME'}" for prefix in PREFIXES)))
