"""Secrets are slots of a rendered request until it is sent, and `•••` wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from app.leads.lead import Lead
from app.templates.facts import Facts
from app.templates.fault import TemplateFault
from app.templates.pipeline import SecretMissing
from app.templates.program import Rendered, compile_template
from app.templates.text import Slot, Text, Unsendable, fill, fill_body, fill_link, secrets_in, show

UNSET: dict[str, str] = {}
MASK = "%E2%80%A2%E2%80%A2%E2%80%A2"


def nothing(name: str) -> str | None:
    raise AssertionError(f"{name} was asked for at rendering")


def render(
    template: str,
    headers: dict[str, str] | None = None,
    *,
    omit_empty: bool = False,
    secret: Callable[[str], str | None] = nothing,
) -> Rendered:
    lead = Lead("L", "F", "new", 0, 0, 1)
    return compile_template(template, headers, omit_empty=omit_empty).render(
        Facts(lead, now_ms=0, secret=secret)
    )


def test_a_secret_is_a_slot_with_its_filters_and_its_place() -> None:
    made = render(
        'https://t.example/{secret.a}/x?b={secret.b|trim|lower}|JSON|{"c":"{secret.c}","d":{secret.d}}',
        {"X": "Bearer {secret.e}"},
    )
    assert made.link == [
        "https://t.example/",
        Slot("a", "path"),
        "/x?b=",
        Slot("b", "pair", "|trim|lower"),
    ]
    assert made.body == ['{"c":"', Slot("c", "json-string"), '","d":', Slot("d", "json"), "}"]
    assert made.headers == {"Content-Type": "application/json", "X": ["Bearer ", Slot("e", "header")]}
    assert secrets_in(made.link) == ["a", "b"]
    assert secrets_in("plain") == []


def test_text_with_slots_survives_json() -> None:
    made = render(
        'https://t.example/{secret.a}|POST|d={"c":{secret.c|default:x\\|}}&e={_secret.e}', {"X": "{id}"}
    )
    data = msgspec.json.encode(made)
    assert msgspec.json.decode(data, type=Rendered) == made
    body: Text = msgspec.json.decode(msgspec.json.encode(made.body), type=Text)
    assert fill(body, {"c": "", "e": "a&b"}.get) == "d=%7B%22c%22%3A%22x%7C%22%7D&e=a&b"


@pytest.mark.parametrize(
    ("template", "value", "filled"),
    [
        ("https://t.example/{secret.s}", "a/b?c:d@e", "https://t.example/a%2Fb%3Fc:d@e"),
        ("https://t.example/?a={secret.s}", "a&b=c d", "https://t.example/?a=a%26b%3Dc%20d"),
        ("https://t.example/?a={_secret.s}", "1&b=c d", "https://t.example/?a=1&b=c%20d"),
        ("https://t.example/?a={secret.s|sha256|upper|substr:0,4}", "a", "https://t.example/?a=CA97"),
        ("https://t.example/?a={secret.s}", " ", "https://t.example/?a="),
        ("https://t.example/?a={secret.s|default:x}", "", "https://t.example/?a=x"),
    ],
)
def test_a_slot_is_filled_and_encoded_for_its_place(template: str, value: str, filled: str) -> None:
    assert fill_link(render(template).link, {"s": value}.get) == filled


def test_a_slot_in_json_is_json() -> None:
    made = render(
        'https://t.example/|JSON|["{secret.s}",{secret.s},{secret.n|number},{secret.e},{secret.e|default:0}]'
    )
    assert made.body is not None
    secrets = {"s": 'a"\n', "n": "1.50", "e": ""}
    assert fill_body(made.body, secrets.get) == '["a\\"\\n","a\\"\\n",1.5,null,0]'


def test_control_characters_leave_a_header() -> None:
    made = render("https://t.example/", {"X": "\x01a\t{secret.s}\r\n"})
    assert fill(made.headers["X"], {"s": "b\r\nEvil: 1\x85"}.get) == "abEvil: 1"


def test_a_secret_that_is_not_set_fails_the_sending_by_its_name() -> None:
    link = render("https://t.example/{secret.a|default:x}").link
    with pytest.raises(SecretMissing, match=r"^secret a is not set$"):
        fill_link(link, UNSET.get)
    with pytest.raises(SecretMissing, match=r"^secret b is not set$"):
        fill(render("https://t.example/?a={secret.a|hmac:b}").link, {"a": "x"}.get)


@pytest.mark.parametrize(
    ("path", "secret"),
    [("{secret.s}", ".."), ("a/.{secret.s}", "."), ("%2e{secret.s}", "."), ("{_secret.s}", "a/../b")],
)
def test_a_dot_segment_that_a_secret_makes_is_not_sent(path: str, secret: str) -> None:
    link = render(f"https://t.example/{path}?a=/../").link
    with pytest.raises(Unsendable, match="segment"):
        fill_link(link, {"s": secret}.get)
    assert fill_link(link, {"s": "x"}.get).endswith("?a=/../")


def test_lengths_are_looked_at_when_the_slots_are_filled() -> None:
    link = render("https://t.example/?a={secret.s}").link
    assert len(fill_link(link, {"s": "x" * (8192 - 21)}.get)) == 8192
    with pytest.raises(Unsendable, match="8193"):
        fill_link(link, {"s": "x" * (8193 - 21)}.get)
    body = render('https://t.example/|JSON|"{secret.s}"').body
    assert body is not None
    with pytest.raises(Unsendable, match=str(256 * 1024)):
        fill_body(body, {"s": "ї" * (128 * 1024)}.get)
    assert len(fill_body(body, {"s": "x" * (256 * 1024 - 2)}.get)) == 256 * 1024


def test_secrets_show_as_dots_encoded_for_their_place() -> None:
    made = render(
        'https://t.example/{secret.a}?b={secret.b|sha256}|POST|c={"d":{secret.d},"e":"{secret.e}"}&f={_secret.f}',
        {"X": "Bearer {secret.x}"},
    )
    assert show(made.link) == f"https://t.example/{MASK}?b={MASK}"
    assert made.body is not None
    assert show(made.body) == f"c=%7B%22d%22%3A%22{MASK}%22%2C%22e%22%3A%22{MASK}%22%7D&f={MASK}"
    assert show(made.headers["X"]) == "Bearer •••"
    assert show(made.link, {"a": "A"}.get) == f"https://t.example/A?b={MASK}"


def test_hmac_is_computed_at_rendering_and_only_its_result_is_in_the_request() -> None:
    made = render("https://t.example/?a={id|hmac:k}", secret={"k": "s"}.get)
    assert isinstance(made.link, str)
    assert len(made.link) == 21 + 64
    with pytest.raises(TemplateFault, match="secret k is not set") as fault:
        render("https://t.example/|POST|a={id|hmac:k}", secret=UNSET.get)
    assert (fault.value.part, fault.value.at) == ("form", 26)
    with pytest.raises(TemplateFault, match="secret k is not set") as fault:
        render("https://t.example/", {"X": "{id|hmac:k}"}, secret=UNSET.get)
    assert (fault.value.part, fault.value.at) == ("header", None)


def test_a_secret_is_never_missing_for_omit_empty() -> None:
    made = render(
        'https://t.example/?a={secret.a}|JSON|{"b":{secret.b},"c":"{goal} {secret.c}"}', omit_empty=True
    )
    assert made.body is not None
    assert fill(made.link, {"a": ""}.get) == "https://t.example/?a="
    assert fill(made.body, {"b": "", "c": ""}.get) == '{"b":null,"c":" "}'


def test_a_wrong_filter_of_a_secret_is_refused_when_it_is_saved() -> None:
    with pytest.raises(TemplateFault, match="sha265"):
        compile_template("https://t.example/{secret.a|sha265}")
