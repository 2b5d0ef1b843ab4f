"""OAuth credentials: what is one, what it asks with, what an answer means, how long a token serves."""

from __future__ import annotations

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.oauth import (
    DATA_MANAGER,
    GOOGLE,
    AuthorizedUser,
    BadCredential,
    Granted,
    NotGranted,
    ServiceAccount,
    asking,
    credential_of,
    read_answer,
)
from app.outbound.access import LONGEST_PAUSE_S, Access
from tests.token_server import key

_ACCOUNT = {"type": "service_account", "client_email": "a@b.example", "private_key": "k"}
_USER = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}


def test_the_files_that_google_gives_out_are_credentials() -> None:
    account = credential_of(json.dumps({**_ACCOUNT, "project_id": "p", "universe_domain": "googleapis.com"}))
    assert isinstance(account, ServiceAccount)
    assert (account.token_uri, account.scope) == (GOOGLE, DATA_MANAGER)
    user = credential_of("\ufeff\n" + json.dumps({**_USER, "account": "", "quota_project_id": "p"}, indent=2))
    assert isinstance(user, AuthorizedUser)
    assert "k" not in repr(account).removeprefix("ServiceAccount")
    assert "r" not in repr(user).removeprefix("AuthorizedUser")


@pytest.mark.parametrize(
    "link", ["http://t.example/", "ftp://t.example/", "t.example", "https://u:p@t.example/", ""]
)
def test_a_credential_goes_out_by_https_alone(link: str) -> None:
    with pytest.raises(BadCredential, match="token_uri"):
        credential_of(json.dumps({**_USER, "token_uri": link}))
    local = "http://127.0.0.1:8080/token"
    assert credential_of(json.dumps({**_USER, "token_uri": local})).token_uri == local


def test_a_key_signs_for_its_token_server_for_an_hour_at_most() -> None:
    private, public = key("k1")
    account = ServiceAccount("a@b.example", private, "k1", "https://t.example/token", "scope-1 scope-2")
    form = asking(account, 1_764_000_000)
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "kid": "k1", "typ": "JWT"}
    assert jwt.decode(
        form["assertion"],
        public,
        ["RS256"],
        audience="https://t.example/token",
        options={"verify_exp": False},
    ) == {
        "iss": "a@b.example",
        "scope": "scope-1 scope-2",
        "aud": "https://t.example/token",
        "iat": 1_764_000_000,
        "exp": 1_764_003_600,
    }


def test_a_refresh_token_asks_with_what_there_is() -> None:
    assert asking(AuthorizedUser("c", "r"), 0) == {
        "grant_type": "refresh_token",
        "client_id": "c",
        "refresh_token": "r",
    }


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, {"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}, Granted("t", 3599)),
        (200, {"access_token": "t", "expires_in": "60", "scope": "x"}, Granted("t", 60)),
        (200, {"access_token": "t"}, Granted("t", 300)),
        (200, {"access_token": "t", "expires_in": 0}, NotGranted("its token has expired already")),
        (200, {"access_token": "t\n"}, NotGranted("its token is empty, too long or not ASCII")),
        (200, {"id_token": "t"}, NotGranted("status 200, neither access_token nor error")),
        (200, {"error": "server_error"}, NotGranted("status 200, server_error")),
        (302, "<html>", NotGranted("status 302, no answer of a token server")),
        (400, {"error": "invalid_grant"}, NotGranted("status 400, invalid_grant", refused=True)),
        (
            401,
            {"error": "invalid_client", "error_description": "Unauthorized"},
            NotGranted("status 401, invalid_client: Unauthorized", refused=True),
        ),
        (400, {"error": "internal_failure"}, NotGranted("status 400, internal_failure")),
        (500, {"error": "invalid_grant"}, NotGranted("status 500, invalid_grant")),
        (403, {"error": {"code": 403}}, NotGranted("status 403, no answer of a token server")),
    ],
)
def test_an_answer_is_a_token_a_refusal_or_something_that_passes(
    status: int, body: object, told: Granted | NotGranted
) -> None:
    assert read_answer(status, json.dumps(body).encode()) == told


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["granted", "failed", "refused", "accepts", "401"]),
            st.floats(0, 4000),
            st.floats(1, 7200),
        )
    )
)
def test_a_token_never_serves_past_its_end_and_nobody_waits_longer_than_a_minute_to_ask(
    steps: list[tuple[str, float, float]],
) -> None:
    access, now_s = Access(), 0.0
    ends: dict[str, float] = {}
    for number, (what, later_s, lasts_s) in enumerate(steps):
        now_s += later_s
        if what == "granted":
            access.granted(Granted(f"t{number}", lasts_s), now_s)
            ends[f"t{number}"] = now_s + lasts_s
        elif what in ("failed", "refused"):
            access.failed(NotGranted("so", what == "refused"), now_s)
        elif (token := access.token(now_s)) is not None:
            access.answered(token, 200 if what == "accepts" else 401, now_s)
        held = access.token(now_s)
        assert held is None or now_s < ends[held]
        assert held is not None or access.is_wanted(now_s + LONGEST_PAUSE_S)
