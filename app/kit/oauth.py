"""OAuth credentials as secrets: what is in one, how it asks for an access token, what it is told. Pure.

A secret whose value is the JSON of one of these stands for the access tokens that it gets:
- `{"type": "service_account", "client_email": …, "private_key": …}`: the key file of a service account of
  Google, as downloaded; asks by a signed JWT (RFC 7523). `scope` may be added, default Data Manager's.
- `{"type": "authorized_user", "client_id": …, "client_secret": …, "refresh_token": …}`: what
  `gcloud auth application-default login` writes; asks by its refresh token (RFC 6749, 6).

`token_uri` names the token server, https only but for a loopback address; without one it is Google's.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Meta

GOOGLE = "https://oauth2.googleapis.com/token"
DATA_MANAGER = "https://www.googleapis.com/auth/datamanager"
ASSERTION_S = 3600  # an hour is the longest that Google takes
UNSAID_S = 300.0  # for how long a token without `expires_in` is used
MOST_TOKEN_CHARS = 8 * 1024

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TYPES = ("service_account", "authorized_user")
_OTHERS = ("external_account", "external_account_authorized_user", "impersonated_service_account")
# However it is quoted or escaped: what is meant as a credential is never sent as it is.
_type = re.compile(rf"type\W{{1,8}}({'|'.join((*_OTHERS, *_TYPES))})")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# google.auth's list, and what RFC 8628 and others say for “later”; any other code means the credential.
_PASSING = frozenset(
    ("internal_failure", "server_error", "temporarily_unavailable", "slow_down", "rate_limit_exceeded")
)
_token = re.compile(r"[!-~]+")

_Filled = Annotated[str, Meta(min_length=1)]


class BadCredential(Exception):
    """A secret meant as an OAuth credential that is none; the text says why and holds nothing of it."""


class ServiceAccount(msgspec.Struct, frozen=True, tag="service_account"):
    """Asks for tokens with a key of its own."""

    client_email: _Filled
    private_key: _Filled
    private_key_id: str = ""
    token_uri: str = GOOGLE
    scope: str = DATA_MANAGER

    def __repr__(self) -> str:
        return "ServiceAccount(…)"


class AuthorizedUser(msgspec.Struct, frozen=True, tag="authorized_user"):
    """Asks for tokens with what a person allowed once."""

    client_id: _Filled
    refresh_token: _Filled
    client_secret: str = ""
    token_uri: str = GOOGLE
    scope: str = ""

    def __repr__(self) -> str:
        return "AuthorizedUser(…)"


Credential: TypeAlias = ServiceAccount | AuthorizedUser


class Granted(msgspec.Struct, frozen=True):
    """An access token and for how many seconds from its answer it is good."""

    token: str
    lasts_s: float

    def __repr__(self) -> str:
        return "Granted(…)"


class NotGranted(msgspec.Struct, frozen=True):
    """No access token. `refused`: the credential is not accepted; else the same may work later."""

    reason: str
    refused: bool = False


class _Said(msgspec.Struct):
    access_token: str | None = None
    token_type: str = "bearer"  # noqa: S105 - a kind, not a token
    expires_in: float | None = None
    error: str | None = None
    error_description: str | None = None


_credentials: msgspec.json.Decoder[Credential] = msgspec.json.Decoder(ServiceAccount | AuthorizedUser)
_answers = msgspec.json.Decoder(_Said, strict=False)  # some write `expires_in` as a text


def credential_of(value: str) -> Credential:
    """The credential in a value that is meant as one. Raises `BadCredential`."""
    found = _meant(value)
    assert found is not None, "is_credential is asked before"
    if found[1] in _OTHERS:
        raise BadCredential(
            f"an OAuth credential of type {found[1]} is not supported, {' and '.join(_TYPES)} are"
        )
    try:
        credential = _credentials.decode(value.strip(" \t\r\n\ufeff"))
    except msgspec.ValidationError as error:
        raise BadCredential(f"as an OAuth credential of type {found[1]} it is incomplete: {error}") from None
    except msgspec.DecodeError:
        raise BadCredential(f"it looks like an OAuth credential of type {found[1]} but is no JSON") from None
    _check_link(credential.token_uri)
    return credential


def is_credential(value: str) -> bool:
    """Whether a value is meant as a credential. Cheap for what is none."""
    return _meant(value) is not None


def _meant(value: str) -> re.Match[str] | None:
    return _type.search(value) if "type" in value else None


def _check_link(link: str) -> None:
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not link.isascii() or parts.username is not None:
        raise BadCredential("its token_uri is no link")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise BadCredential("its token_uri is not https: the credential would go out in clear text")


def hidden_in(credential: Credential) -> list[str]:
    """The parts of a credential that must not be shown."""
    if isinstance(credential, ServiceAccount):
        return [credential.private_key]
    return [part for part in (credential.refresh_token, credential.client_secret) if part]


def asking(credential: Credential, unix_s: int) -> dict[str, str]:
    """The form that asks for an access token at `unix_s`. Raises `BadCredential` for a key that cannot sign.

    The first call for a service account loads the cryptography library, some 50 ms.
    """
    if isinstance(credential, ServiceAccount):
        return {"grant_type": _JWT_BEARER, "assertion": _assertion(credential, unix_s)}
    form = {
        "grant_type": "refresh_token",
        "client_id": credential.client_id,
        "client_secret": credential.client_secret,
        "refresh_token": credential.refresh_token,
        "scope": credential.scope,
    }
    return {name: value for name, value in form.items() if value}


def written(form: dict[str, str]) -> bytes:
    """A form as the body of a request."""
    return urlencode(form).encode()


def _assertion(account: ServiceAccount, unix_s: int) -> str:
    import jwt

    claims = {
        "iss": account.client_email,
        "scope": account.scope,
        "aud": account.token_uri,
        "iat": unix_s,
        "exp": unix_s + ASSERTION_S,
    }
    headers = {"kid": account.private_key_id} if account.private_key_id else None
    try:
        return jwt.encode(claims, account.private_key, algorithm="RS256", headers=headers)
    except (jwt.PyJWTError, ValueError, TypeError):  # whose texts may hold the key
        raise BadCredential("its private_key is no RSA key in PEM") from None


def read_answer(status: int, body: bytes) -> Granted | NotGranted:
    """What a token server answered (RFC 6749, 5.1 and 5.2)."""
    try:
        said = _answers.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return NotGranted(f"status {status}, no answer of a token server")
    if 200 <= status < 300 and said.access_token is not None:
        return _granted(said.access_token, said)
    if said.error is None:
        return NotGranted(f"status {status}, neither access_token nor error")
    told = ": ".join(filter(None, (said.error, said.error_description)))
    refused = 400 <= status < 500 and status not in (408, 425, 429) and said.error not in _PASSING
    return NotGranted(f"status {status}, {told}"[:500], refused)


def _granted(token: str, said: _Said) -> Granted | NotGranted:
    if said.token_type.lower() != "bearer":
        return NotGranted("its token is no bearer token")
    if len(token) > MOST_TOKEN_CHARS or not _token.fullmatch(token):
        return NotGranted("its token is empty, too long or not ASCII")
    lasts_s = UNSAID_S if said.expires_in is None else said.expires_in
    return Granted(token, lasts_s) if lasts_s >= 1 else NotGranted("its token has expired already")
