"""Signing secrets: their forms, several of them, and what is no key."""

from __future__ import annotations

import base64

import pytest

from app.kit.signing import BadKey, keys_of, looks_encoded, parts_of, sign

_KEY = b"\xff\x00 a key of 24 bytes: \xfe\xfd"
_ENCODED = base64.b64encode(_KEY).decode()


@pytest.mark.parametrize("length", [1, 2, 3, 24])
def test_a_key_is_base64_after_its_prefix_with_or_without_padding(length: int) -> None:
    encoded = base64.b64encode(_KEY[:length]).decode()
    assert keys_of(f"whsec_{encoded}") == (_KEY[:length],)
    assert keys_of(f"whsec_{encoded.rstrip('=')}") == (_KEY[:length],)


def test_without_the_prefix_a_key_is_its_text() -> None:
    assert keys_of("ключ") == ("ключ".encode(),)
    assert keys_of(_ENCODED) == (_ENCODED.encode(),)
    assert keys_of("\udcff\udcfe") == (b"\xff\xfe",)


def test_several_keys_sign_each_in_their_order() -> None:
    both = sign(f"whsec_{_ENCODED} old\n", "r-1", 7, b"body")
    assert both == f"{sign(f'whsec_{_ENCODED}', 'r-1', 7, b'body')} {sign('old', 'r-1', 7, b'body')}"
    assert both.count("v1,") == 2


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("whsec_", "not base64"),
        ("whsec_====", "not base64"),
        ("whsec_A", "not base64"),
        ("whsec_ab*d", "not base64"),
        ("whsec_ключ", "not base64"),
        ("good whsec_ab-_", "not base64"),
        ("whsk_AAAA", "asymmetric"),
        ("whpk_AAAA", "asymmetric"),
    ],
)
def test_what_is_no_key_is_told_without_the_key(secret: str, reason: str) -> None:
    with pytest.raises(BadKey, match=reason) as refused:
        keys_of(secret)
    told = str(refused.value)
    assert not any(part in told for part in ("ab*d", "ключ", "ab-_", "AAAA", "good"))


def test_what_must_not_be_shown_is_each_key_with_and_without_its_prefix() -> None:
    assert parts_of(f"whsec_{_ENCODED} old") == [f"whsec_{_ENCODED}", _ENCODED, "old", "old"]


def test_base64_without_its_prefix_is_noticed() -> None:
    assert looks_encoded(_ENCODED)
    assert not looks_encoded(f"whsec_{_ENCODED}")
    assert not looks_encoded("a short one")
