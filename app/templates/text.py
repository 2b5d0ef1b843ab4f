"""Rendered text with the places of its secrets, and what happens to them at sending.

A secret never is in a rendered request: where it goes stands a slot, which is filled and encoded for its
place at the moment of sending. What the length of a link or its path may be is therefore looked at twice:
at rendering, for what is known then, and here when the slots are filled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import msgspec

from app.kit.hiding import MASK
from app.templates.encode import Place, encoded, is_bare
from app.templates.filters import compile_filter
from app.templates.pipeline import Filter, SecretMissing, run
from app.templates.scan import filters_of

MAX_LINK_BYTES = 8 * 1024
MAX_BODY_BYTES = 256 * 1024
DOT_SEGMENT = "a segment of the path comes out as . or .., which leads to another path"

Secrets = Callable[[str], str | None]
"""The value of a secret by its name; None when it is not set."""


class Slot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A secret's place in rendered text: its name, its filters as written (`|lower|sha256`), its place."""

    secret: str
    place: Place
    filters: str = ""


Text = str | list[str | Slot]
"""Rendered text: a plain str when there is no secret in it."""


class Unsendable(Exception):
    """A request that, its secrets filled in, must not be sent; the reason says why, without a secret."""


def fill(text: Text, secret: Secrets) -> str:
    """The text with its slots filled and encoded for their places.

    Raises `SecretMissing` (“secret NAME is not set”).
    """
    if isinstance(text, str):
        return text
    return "".join([piece if isinstance(piece, str) else _filled(piece, secret) for piece in text])


def fill_link(link: Text, secret: Secrets) -> str:
    """`fill`, and the checks of a whole link: its length, and no dot segment in its path.

    Raises `SecretMissing`, `Unsendable`.
    """
    filled = fill(link, secret)
    if reason := link_too_long(filled):
        raise Unsendable(reason)
    if has_dot_segment(filled[filled.find("/", filled.find("://") + 3) :]):
        raise Unsendable(DOT_SEGMENT)
    return filled


def fill_body(body: Text, secret: Secrets) -> str:
    """`fill`, and the check of a body's length.

    Raises `SecretMissing`, `Unsendable`.
    """
    filled = fill(body, secret)
    if reason := body_too_long(filled):
        raise Unsendable(reason)
    return filled


def show(text: Text, secret: Secrets | None = None) -> str:
    """The text with `•••`, encoded for its place, for every secret, or for those that `secret` does not give.

    Raises `SecretMissing` when a secret that is given is filtered by `hmac` with one that is not.
    """
    if isinstance(text, str):
        return text
    return "".join([piece if isinstance(piece, str) else _shown(piece, secret) for piece in text])


def secrets_in(text: Text) -> list[str]:
    """The names of the secrets that have slots in the text."""
    return [] if isinstance(text, str) else [piece.secret for piece in text if isinstance(piece, Slot)]


def link_too_long(link: str) -> str | None:
    """Why a link must not be sent for its length, which is ASCII; None when it may."""
    return (
        f"the link has {len(link)} bytes, over the limit of {MAX_LINK_BYTES}"
        if len(link) > MAX_LINK_BYTES
        else None
    )


def body_too_long(body: str) -> str | None:
    """Why a body must not be sent for its length; None when it may."""
    if len(body) * 4 <= MAX_BODY_BYTES:
        return None
    size = len(body.encode())
    return f"the body has {size} bytes, over the limit of {MAX_BODY_BYTES}" if size > MAX_BODY_BYTES else None


def has_dot_segment(path: str) -> bool:
    """Whether a segment of a path, which ends at the first `?`, is `.` or `..`, also written with `%2e`."""
    path = path.partition("?")[0]
    if "/." not in path and "/%2" not in path:
        return False
    return any(
        segment.replace("%2e", ".").replace("%2E", ".") in (".", "..")
        for segment in path.split("/")
        if segment
    )


def check_slot(slot: Slot) -> None:
    """Look at the filters of a slot that came from elsewhere. Raises `BadFilter`."""
    _filters(slot.filters, slot.place)


class _Sending:
    """What filters may ask for at sending: the secrets; the click is not known there."""

    geo: str | None = None

    def __init__(self, secret: Secrets) -> None:
        self.secret = secret


def _filled(slot: Slot, secret: Secrets) -> str:
    value = secret(slot.secret)
    if value is None:
        raise SecretMissing(slot.secret)
    result = run(_filters(slot.filters, slot.place), value, _Sending(secret))
    return encoded(result, slot.place)


def _shown(slot: Slot, secret: Secrets | None) -> str:
    if secret is None or secret(slot.secret) is None:
        return _masked(slot.place)
    return _filled(slot, secret)


@cache
def _masked(place: Place) -> str:
    return encoded(MASK, place)


@lru_cache(maxsize=4096)
def _filters(written: str, place: Place) -> tuple[Filter, ...]:
    return tuple(compile_filter(filter_text, bare=is_bare(place)) for filter_text in filters_of(written))
