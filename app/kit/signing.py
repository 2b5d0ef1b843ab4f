"""Signatures of the Standard Webhooks specification 1.0.0 (standardwebhooks.com): symmetric, `v1`.

A signing secret is one or several keys with white space between them; each signs, so that a receiver may
change to the new key while the old one still holds. A key is `whsec_` and base64, with or without its `=`,
or a text without that prefix, whose UTF-8 bytes are the key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from functools import lru_cache

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
SHORTEST_KEY_BYTES = 24  # the specification's; a shorter one signs, and lint says so
_PREFIX = "whsec_"
_OTHER_SCHEME = ("whsk_", "whpk_")


class BadKey(Exception):
    """A signing secret of the wrong form; the text says why and holds nothing of it."""


def sign(secret: str, message_id: str, unix_s: int, body: bytes) -> str:
    """The value of `webhook-signature`: a signature for each key of `secret`. Raises `BadKey`."""
    signed = f"{message_id}.{unix_s}.".encode() + body
    made = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys_of(secret))
    return " ".join(f"v1,{signature}" for signature in made)


@lru_cache(maxsize=64)
def keys_of(secret: str) -> tuple[bytes, ...]:
    """The keys in a signing secret. Raises `BadKey`."""
    keys = tuple(map(_key, secret.split()))
    if not keys:
        raise BadKey("it is empty")
    return keys


def parts_of(secret: str) -> list[str]:
    """The texts in a signing secret that must not be shown: its keys, with and without their prefix."""
    return [part for key in secret.split() for part in (key, key.removeprefix(_PREFIX)) if part]


def looks_encoded(secret: str) -> bool:
    """Whether a key without `whsec_` is base64 of a key's size, as receivers' libraries would take it."""
    return any(_is_encoded(key) for key in secret.split() if not key.startswith(_PREFIX))


def _key(text: str) -> bytes:
    if text.startswith(_OTHER_SCHEME):
        raise BadKey("whsk_ and whpk_ begin keys of the asymmetric scheme; v1 signs with whsec_")
    if not text.startswith(_PREFIX):
        return text.encode("utf-8", "surrogateescape")  # bytes that are no UTF-8 come so from the environment
    try:
        return _decoded(text.removeprefix(_PREFIX))
    except binascii.Error:
        raise BadKey("what follows whsec_ is not base64") from None


def _decoded(text: str) -> bytes:
    bare = text.rstrip("=").encode("utf-8", "surrogateescape")
    key = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    if not key:
        raise binascii.Error
    return key


def _is_encoded(text: str) -> bool:
    try:
        return len(_decoded(text)) >= SHORTEST_KEY_BYTES
    except binascii.Error:
        return False
