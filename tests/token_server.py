"""A token server and the API that its tokens open, for the tests: one receiver with both.

`/token` answers as Google's does (RFC 6749, 5.1 and 5.2; RFC 7523): signatures and claims of a service
account are verified with the public keys that it knows, refresh tokens are those it has given out. Any other
path is the API: 200 with a token that is valid now, else 401.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.receivers import Exchange, Receiver, Script, answer

SCOPE = "https://www.googleapis.com/auth/datamanager"
EMAIL = "postbacks@project.iam.gserviceaccount.com"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@lru_cache
def key(kid: str) -> tuple[str, str]:
    """A private key and its public key in PEM, one pair for each id."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class TokenServer(Receiver):
    """`async with TokenServer() as server`. While `instead` is set it is played for what asks for a token."""

    def __init__(
        self, lasts_s: float = 3600, tls: ssl.SSLContext | None = None, api: Script | None = None
    ) -> None:
        super().__init__(self._play, tls=tls)
        self.lasts_s = lasts_s
        self.keys = {"k1": key("k1")[1]}
        self.refresh_tokens = {"1//refresh-0123456789"}
        self.instead: Script | None = None
        self.asked: list[dict[str, str]] = []
        self.given: list[str] = []
        self.valid: set[str] = set()
        self._api = api or answer(200, b"{}")

    def service_account(self, kid: str = "k1", **changes: Any) -> str:
        """The key file of a service account that this server knows, as downloaded."""
        file = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": kid,
            "private_key": key(kid)[0],
            "client_email": EMAIL,
            "token_uri": self.url("/token"),
        }
        return json.dumps(file | changes, indent=2)

    def authorized_user(self, **changes: Any) -> str:
        """The file of an authorized user that this server knows."""
        file = {
            "type": "authorized_user",
            "client_id": "client.apps.example",
            "client_secret": "client-s3cret-0123",
            "refresh_token": "1//refresh-0123456789",
            "token_uri": self.url("/token"),
        }
        return json.dumps(file | changes)

    async def _play(self, exchange: Exchange) -> None:
        received = exchange.received
        if received.target.partition(b"?")[0] != b"/token":
            bearer = (received.header(b"Authorization") or b"").decode().removeprefix("Bearer ")
            await (self._api if bearer in self.valid else answer(401, b'{"error":{"code":401}}'))(exchange)
            return
        self.asked.append(dict(parse_qsl(received.body.decode())))
        await (self.instead or self.grant)(exchange)

    async def grant(self, exchange: Exchange) -> None:
        """Answer what asks for a token."""
        error = self._why_not(exchange.received.header(b"Content-Type"), self.asked[-1])
        if error is not None:
            await answer(400, json.dumps(error).encode())(exchange)
            return
        token = f"ya29.token-number-{len(self.given)}-of-this-server"
        self.given.append(token)
        self.valid.add(token)
        told = {"access_token": token, "expires_in": self.lasts_s, "token_type": "Bearer"}
        await answer(200, json.dumps(told).encode())(exchange)

    def _why_not(self, kind: bytes | None, form: dict[str, str]) -> dict[str, str] | None:
        if kind != b"application/x-www-form-urlencoded":
            return {"error": "invalid_request", "error_description": "no form"}
        if form.get("grant_type") == _JWT_BEARER:
            return why_no_account(form.get("assertion", ""), self.keys, self.url("/token"))
        if form.get("grant_type") != "refresh_token":
            return {"error": "unsupported_grant_type"}
        if (form.get("client_id"), form.get("client_secret")) != (
            "client.apps.example",
            "client-s3cret-0123",
        ):
            return {"error": "invalid_client", "error_description": "Unauthorized"}
        if form.get("refresh_token") not in self.refresh_tokens:
            told = f"Token has been expired or revoked: {form.get('refresh_token')}"
            return {"error": "invalid_grant", "error_description": told}
        return None


def why_no_account(assertion: str, keys: Mapping[str, str], audience: str) -> dict[str, str] | None:
    """The error for a JWT of a service account; None for a good one."""
    try:
        kid = jwt.get_unverified_header(assertion)["kid"]
        claims = jwt.decode(
            assertion,
            keys[kid],
            algorithms=["RS256"],
            audience=audience,
            issuer=EMAIL,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
    except (jwt.PyJWTError, KeyError):
        return {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    if claims["exp"] - claims["iat"] > 3600 or abs(claims["iat"] - time.time()) > 300:
        return {"error": "invalid_grant", "error_description": "Invalid JWT: not short-lived"}
    if claims.get("scope") != SCOPE:
        return {"error": "invalid_scope"}
    return None
