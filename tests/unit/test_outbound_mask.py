"""No secret is shown, and no token unless the postback says so."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from app.kit.secrets import Secrets
from app.messages.request import Delivery
from app.outbound.mask import Hiding, Shown, shown
from app.templates.encode import Place
from app.templates.text import Slot, Text
from tests.outbound import request

_SECRET = 'p+ss/w"rd&<é>'
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_OPEN = Delivery(mask=False)


def _slot(place: Place, filters: str = "") -> Slot:
    return Slot("fb", place, filters)


def _hiding(*, filters: str = "", delivery: Delivery | None = None) -> Hiding:
    secrets = Secrets({"POSTBACKS_SECRET_FB": _SECRET})
    secrets("fb")
    link: Text = ["https://t.example/?t=", _slot("pair", filters)]
    return Hiding(request(link, delivery=delivery), secrets)


def test_a_slot_is_shown_as_a_mask_wherever_it_stands() -> None:
    with_slots = request(
        ["https://t.example/bot", _slot("path"), "/send?a=1&t=", _slot("pair")],
        method="POST",
        headers={**_JSON, "X-Sig": ["v1 ", _slot("header", "|sha256")]},
        body=['{"t":"', _slot("json-string"), '"}'],
        delivery=_OPEN,
    )
    assert shown(with_slots) == Shown(
        "https://t.example/bot•••/send?a=1&t=•••", {**_JSON, "X-Sig": "v1 •••"}, '{"t":"•••"}'
    )


def test_tokens_in_link_headers_and_body_are_masked() -> None:
    pasted = request(
        "https://api.telegram.org/bot123:AbC/send?access_token=t0ken&id=1",
        method="POST",
        headers={**_FORM, "Authorization": "Bearer abc", "X-Api-Key": "k", "X-Plain": "p"},
        body="key=k3y&name=Ann",
    )
    assert shown(pasted) == Shown(
        "https://api.telegram.org/bot123:•••/send?access_token=•••&id=1",
        {**_FORM, "Authorization": "•••", "X-Api-Key": "•••", "X-Plain": "p"},
        "key=•••&name=Ann",
    )


def test_a_json_body_has_its_tokens_masked() -> None:
    pasted = request(method="POST", headers=_JSON, body='{"access_token": "t0ken", "n": "Ann"}')
    assert shown(pasted).body == '{"access_token": "•••", "n": "Ann"}'


def test_mask_false_shows_tokens_and_still_no_slot() -> None:
    pasted = request(
        ["https://t.example/?key=k3y&s=", _slot("pair")],
        headers={"Authorization": ["Bearer ", _slot("header")]},
        delivery=_OPEN,
    )
    assert shown(pasted) == Shown("https://t.example/?key=k3y&s=•••", {"Authorization": "Bearer •••"}, "")


def test_a_value_that_a_macro_brought_stays_readable() -> None:
    brought = request(
        "https://t.example/?key=k3y&id=1234567-0123456789abcdef", delivery=Delivery(tokens=("k3y",))
    )
    assert shown(brought).url == "https://t.example/?key=•••&id=1234567-0123456789abcdef"


@pytest.mark.parametrize(
    "written",
    [
        _SECRET,
        quote(_SECRET),
        quote(_SECRET, safe=""),
        quote(_SECRET, safe="").replace("%2B", "%2b").replace("%C3%A9", "%c3%A9"),
        quote(quote(_SECRET, safe=""), safe=""),
        quote(json.dumps(_SECRET)[1:-1], safe=""),
        quote_plus(_SECRET),
        json.dumps(_SECRET)[1:-1],
        json.dumps(_SECRET, ensure_ascii=False)[1:-1],
        json.dumps(_SECRET, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        html.escape(_SECRET),
        html.escape(_SECRET, quote=False),
    ],
)
def test_a_secret_that_comes_back_is_hidden_however_it_is_written(written: str) -> None:
    told = _hiding().text(f"you sent {written}!")
    assert told == "you sent •••!"


def test_what_a_filter_made_of_a_secret_is_hidden_too() -> None:
    assert _hiding(filters="|base64").text("got cCtzcy93InJkJjzDqT4=") == "got •••"
    assert _hiding(filters="|base64").text("got cCtzcy93InJkJjzDqT4%3D") == "got •••"


def test_mask_false_hides_secrets_all_the_same() -> None:
    assert _hiding(delivery=_OPEN).text(_SECRET) == "•••"


def test_the_first_half_of_a_secret_at_a_cut_is_hidden() -> None:
    assert _hiding().cut_text(f"you sent {_SECRET[:6]}") == "you sent •••"
    assert _hiding().cut_text("you sent half") == "you sent half"


@pytest.mark.parametrize(
    "write", [quote, lambda text: json.dumps(text)[1:-1].replace("/", "\\/"), html.escape, quote_plus]
)
def test_a_secret_that_is_cut_anywhere_is_hidden_however_it_was_written(write: Callable[[str], str]) -> None:
    written = write(_SECRET)
    for length in range(12, len(written)):
        assert _hiding().cut_text(f"you sent {written[:length]}") == "you sent •••", written[:length]


def test_a_pasted_token_that_comes_back_is_hidden() -> None:
    pasted = request("https://t.example/?access_token=EAAB12345%2Bx&c=1")
    page = '<a href="https://t.example/?access_token=EAAB12345%2Bx&amp;c=1">moved</a> EAAB12345+x'
    assert Hiding(pasted, Secrets({})).text(page) == (
        '<a href="https://t.example/?access_token=•••&amp;c=1">moved</a> •••'
    )
    header = request(headers={"Authorization": "Bearer abcdefghij"})
    assert Hiding(header, Secrets({})).text("bad token abcdefghij") == "bad token •••"


def test_a_short_token_does_not_hide_half_the_answer() -> None:
    assert Hiding(request("https://t.example/?key=1"), Secrets({})).text("11 of 12") == "11 of 12"


def test_links_and_token_headers_of_an_answer_are_masked() -> None:
    seen = Hiding(request(), Secrets({})).headers(
        {"Location": "/login?token=abc", "X-Auth-Token": "abc", "Server": "nginx"}
    )
    assert seen == {"Location": "/login?token=•••", "X-Auth-Token": "•••", "Server": "nginx"}
    assert _hiding().headers({f"X-{_SECRET}": "1"}) == {"X-•••": "1"}
    open_seen = Hiding(request(delivery=_OPEN), Secrets({})).headers({"Location": "/login?token=abc"})
    assert open_seen == {"Location": "/login?token=abc"}


def test_what_is_added_at_sending_is_shown_but_for_its_signature() -> None:
    delivery = Delivery(idempotency_header="Idempotency-Key", sign_with="hook")
    for mask in (True, False):
        told = shown(request(headers={"X": "1"}, delivery=msgspec.structs.replace(delivery, mask=mask)))
        assert told.headers == {
            "X": "1",
            "Idempotency-Key": "r-1",
            "webhook-id": "r-1",
            "webhook-signature": "•••",
        }


def test_a_key_that_signs_is_hidden_whichever_of_them_and_without_its_prefix() -> None:
    secrets = Secrets({"POSTBACKS_SECRET_HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw old-key"})
    hiding = Hiding(request(delivery=Delivery(sign_with="hook")), secrets)
    assert hiding.text("want MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw or old-key") == "want ••• or •••"
