"""Meta's click id `fbc`, made of the `fbclid` that a visitor came with, where no `_fbc` cookie was told.

Meta asks for `fb.1.<Unix milliseconds when the fbclid was first seen>.<fbclid>`:
https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/fbp-and-fbc
Only the fold knows when that was, and a value that is kept is the same in every event of the lead.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.leads.events import Scalar


def with_fbc(tags: dict[str, Scalar], before: Mapping[str, Scalar], at_ms: int) -> dict[str, Scalar]:
    """The tags with `fbc`, if they have `fbclid` alone; `before` are those before this event at `at_ms`.

    An `fbc` that was told stays; one that was made follows a newer `fbclid`. Without a time (0) none is made.
    """
    fbclid, fbc = tags.get("fbclid"), tags.get("fbc")
    if not at_ms or not _is_told(fbclid) or (_is_told(fbc) and not _is_of_older(fbclid, fbc, before)):
        return tags
    return {**tags, "fbc": f"fb.1.{at_ms}.{fbclid}"}


def _is_told(value: Scalar) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_of_older(fbclid: Scalar, fbc: Scalar, before: Mapping[str, Scalar]) -> bool:
    older = before.get("fbclid")
    return older != fbclid and fbc == before.get("fbc") and str(fbc).endswith(f".{older}")
