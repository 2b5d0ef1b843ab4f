"""A request as it goes out."""

from __future__ import annotations

from importlib.metadata import version

import msgspec
import pytest

from app.kit.secrets import Secrets
from app.kit.signing import sign
from app.messages.request import Delivery
from app.outbound.wire import put_together
from app.templates.pipeline import SecretMissing
from app.templates.text import Slot, Unsendable
from tests.outbound import request

_NONE = Secrets({})
_AT_S = 1_764_000_000
_OURS = [
    ("User-Agent", f"Postbacks/{version('postbacks')}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
]


def test_headers_go_in_their_order_after_host_and_ours_come_last() -> None:
    wire = put_together(
        request("https://t.example/a", method="POST", headers={"X-B": "1", "X-A": ""}, body="тіло"),
        _NONE,
        _AT_S,
    )
    assert wire.headers == [("Host", "t.example"), ("X-B", "1"), ("X-A", ""), *_OURS]
    assert wire.body == "тіло".encode()


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://t.example/", "t.example"),
        ("https://t.example:443/", "t.example:443"),
        ("http://t.example:0080?x=1", "t.example:0080"),
        ("http://[2001:db8::1]:8080/a/b", "[2001:db8::1]:8080"),
        ("https://t.example./a?b=//c", "t.example."),
    ],
)
def test_host_is_what_the_link_says_port_and_all(link: str, host: str) -> None:
    assert put_together(request(link), _NONE, _AT_S).headers[0] == ("Host", host)


def test_a_header_of_the_flow_wins_over_ours() -> None:
    wire = put_together(
        request(headers={"user-agent": "Mine", "ACCEPT": "text/plain", "hOST": "x"}), _NONE, _AT_S
    )
    assert wire.headers == [
        ("user-agent", "Mine"),
        ("ACCEPT", "text/plain"),
        ("Host", "x"),
        ("Accept-Encoding", "gzip, deflate"),
    ]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Expect"])
def test_a_flow_does_not_frame_the_message(name: str) -> None:
    assert name not in dict(put_together(request(headers={name: "1"}), _NONE, _AT_S).headers)


def test_slots_are_filled_and_never_shown() -> None:
    secrets = Secrets({"POSTBACKS_SECRET_S": "a/b c"})
    wire = put_together(
        request(["https://t.example/", Slot("s", "path")], headers={"X": [Slot("s", "header")]}),
        secrets,
        _AT_S,
    )
    assert wire.link == "https://t.example/a%2Fb%20c"
    assert ("X", "a/b c") in wire.headers
    assert "a/b c" not in repr(wire)


def test_a_secret_that_is_not_set_stops_the_sending() -> None:
    with pytest.raises(SecretMissing, match="secret s is not set"):
        put_together(request(["https://t.example/", Slot("s", "path")]), _NONE, _AT_S)


@pytest.mark.parametrize(("value", "reason"), [("..", "segment"), ("x" * 8_190, "8192")])
def test_a_secret_that_does_not_fit_stops_the_sending(value: str, reason: str) -> None:
    secrets = Secrets({"POSTBACKS_SECRET_S": value})
    with pytest.raises(Unsendable, match=reason):
        put_together(request(["https://t.example/", Slot("s", "path"), "/x"]), secrets, _AT_S)


def test_the_id_goes_under_the_name_that_was_asked_for() -> None:
    delivery = Delivery(idempotency_header="Idempotency-Key")
    wire = put_together(request("https://t.example/", headers={"X": "1"}, delivery=delivery), _NONE, _AT_S)
    assert wire.headers == [("Host", "t.example"), ("X", "1"), ("Idempotency-Key", "r-1"), *_OURS]


def test_a_retry_and_a_replay_carry_the_same_id_and_a_signature_of_their_own() -> None:
    delivery = Delivery(idempotency_header="Idempotency-Key", sign_with="hook")
    first = request("https://t.example/", delivery=delivery)
    later = msgspec.structs.replace(first, attempts=5, replay=2, due_at=first.due_at + 9)
    secrets = Secrets({"POSTBACKS_SECRET_HOOK": "key"})
    one, other = (
        dict(put_together(sent, secrets, at).headers) for sent, at in ((first, _AT_S), (later, _AT_S + 9))
    )
    assert {headers["Idempotency-Key"] for headers in (one, other)} == {"r-1"}
    assert {headers["webhook-id"] for headers in (one, other)} == {"r-1"}
    assert one["webhook-signature"] != other["webhook-signature"]


def _signed(body: str | None, **environ: str) -> dict[str, str]:
    method = "GET" if body is None else "POST"
    sent = request("https://t.example/", method=method, body=body, delivery=Delivery(sign_with="hook"))
    return dict(put_together(sent, Secrets(environ), _AT_S).headers)


def test_what_is_signed_is_the_id_the_time_and_the_bytes_of_the_body() -> None:
    headers = _signed("тіло", POSTBACKS_SECRET_HOOK="key")
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("r-1", str(_AT_S))
    assert headers["webhook-signature"] == sign("key", "r-1", _AT_S, "тіло".encode())


def test_a_get_signs_the_empty_body() -> None:
    headers = _signed(None, POSTBACKS_SECRET_HOOK="key")
    assert headers["webhook-signature"] == sign("key", "r-1", _AT_S, b"")


def test_a_secret_in_the_body_is_signed_as_it_is_sent() -> None:
    sent = request(
        "https://t.example/",
        method="POST",
        body=["a=", Slot("s", "pair")],
        delivery=Delivery(sign_with="hook"),
    )
    secrets = Secrets({"POSTBACKS_SECRET_S": "x y", "POSTBACKS_SECRET_HOOK": "key"})
    wire = put_together(sent, secrets, _AT_S)
    assert wire.body == b"a=x%20y"
    assert dict(wire.headers)["webhook-signature"] == sign("key", "r-1", _AT_S, b"a=x%20y")


def test_a_key_that_is_not_set_or_no_key_stops_the_sending() -> None:
    with pytest.raises(SecretMissing, match="secret hook is not set"):
        _signed("x")
    with pytest.raises(
        Unsendable, match="secret hook cannot sign: what follows whsec_ is not base64"
    ) as fault:
        _signed("x", POSTBACKS_SECRET_HOOK="whsec_hush!")
    assert "hush" not in str(fault.value)
