"""A request as it goes out."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from app.kit.secrets import Secrets
from app.outbound.wire import put_together
from app.templates.pipeline import SecretMissing
from app.templates.text import Slot, Unsendable
from tests.outbound import request

_NONE = Secrets({})
_OURS = [
    ("User-Agent", f"Postbacks/{version('postbacks')}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
]


def test_headers_go_in_their_order_after_host_and_ours_come_last() -> None:
    wire = put_together(
        request("https://t.example/a", method="POST", headers={"X-B": "1", "X-A": ""}, body="тіло"), _NONE
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
    assert put_together(request(link), _NONE).headers[0] == ("Host", host)


def test_a_header_of_the_flow_wins_over_ours() -> None:
    wire = put_together(request(headers={"user-agent": "Mine", "ACCEPT": "text/plain", "hOST": "x"}), _NONE)
    assert wire.headers == [
        ("user-agent", "Mine"),
        ("ACCEPT", "text/plain"),
        ("Host", "x"),
        ("Accept-Encoding", "gzip, deflate"),
    ]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Expect"])
def test_a_flow_does_not_frame_the_message(name: str) -> None:
    assert name not in dict(put_together(request(headers={name: "1"}), _NONE).headers)


def test_slots_are_filled_and_never_shown() -> None:
    secrets = Secrets({"POSTBACKS_SECRET_S": "a/b c"})
    wire = put_together(
        request(["https://t.example/", Slot("s", "path")], headers={"X": [Slot("s", "header")]}), secrets
    )
    assert wire.link == "https://t.example/a%2Fb%20c"
    assert ("X", "a/b c") in wire.headers
    assert "a/b c" not in repr(wire)


def test_a_secret_that_is_not_set_stops_the_sending() -> None:
    with pytest.raises(SecretMissing, match="secret s is not set"):
        put_together(request(["https://t.example/", Slot("s", "path")]), _NONE)


@pytest.mark.parametrize(("value", "reason"), [("..", "segment"), ("x" * 9_000, "8192")])
def test_a_secret_that_does_not_fit_stops_the_sending(value: str, reason: str) -> None:
    secrets = Secrets({"POSTBACKS_SECRET_S": value})
    with pytest.raises(Unsendable, match=reason):
        put_together(request(["https://t.example/", Slot("s", "path"), "/x"]), secrets)
