"""What looks like a token is found and masked, and nothing else is."""

from __future__ import annotations

import pytest

from app.flows.tokens import literal_tokens, mask_form, mask_headers, mask_json, mask_link

LONG = "a1" * 12


@pytest.mark.parametrize(
    ("link", "masked"),
    [
        ("https://t.example/?access_token=T&x=1", "https://t.example/?access_token=•••&x=1"),
        ("https://t.example/?a=1&token=T", "https://t.example/?a=1&token=•••"),
        ("https://t.example/?KEY=a=b#f", "https://t.example/?KEY=•••#f"),
        ("https://t.example/?api%5Fkey=T&secret=S", "https://t.example/?api%5Fkey=•••&secret=•••"),
        (
            "https://api.telegram.org/bot12:AA-b_c/send?chat=5",
            "https://api.telegram.org/bot12:•••/send?chat=5",
        ),
        ("https://api.telegram.org/bot12%3AAAb", "https://api.telegram.org/bot12%3A•••"),
        ("https://t.example/?id=7-0123456789abcdef&o=1", "https://t.example/?id=•••&o=1"),
        (f"https://t.example/?id={LONG}", "https://t.example/?id=•••"),
    ],
)
def test_a_token_in_a_link_is_masked(link: str, masked: str) -> None:
    assert mask_link(link) == masked


@pytest.mark.parametrize(
    "link",
    [
        "https://t.example/",
        "https://t.example/?token=&key",
        "https://t.example/?tokens=T&my_token=T&keyword=k",
        "https://t.example/token=T/x",
        "https://t.example/botany/bot/bot12/x",
        "https://t.example/?id=L-1001",
        f"https://t.example/?id={LONG[:-1]}",
        "https://t.example/?id=" + "a" * 40,
        "https://t.example/?id=" + "1" * 40,
        f"https://t.example/?id={LONG}.x",
        f"https://t.example/?click={LONG}",
        "https://t.example/?id=7-0123456789ABCDE",
        "https://t.example/#token=T",
    ],
)
def test_what_is_no_token_stays_readable(link: str) -> None:
    assert mask_link(link) == link


def test_tokens_in_bodies_and_headers_are_masked() -> None:
    assert mask_form("access_token=TOKEN&data=%5B%5D&key=") == "access_token=•••&data=%5B%5D&key="
    assert (
        mask_json('{"Access_Token" : "a\\"b","x":"token","key":5}')
        == '{"Access_Token" : "•••","x":"token","key":5}'
    )
    assert mask_headers({"authorization": "a", "X-Api-Key": "b", "Access-Token": "c", "Accept": "d"}) == {
        "authorization": "•••",
        "X-Api-Key": "•••",
        "Access-Token": "•••",
        "Accept": "d",
    }


def test_with_the_template_s_own_tokens_known_a_macro_s_value_stays_readable() -> None:
    own = {token for _, token in literal_tokens("https://t.example/?token=T|x&id={id}")}
    link = f"https://t.example/?token=T%7Cx&id={LONG}"
    assert mask_link(link, own) == f"https://t.example/?token=•••&id={LONG}"


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("https://t.example/p|POST|access_token=TOKEN&data=[{}]", [(38, "TOKEN")]),
        ("https://t.example/bot1:AA/x?key= K ", [(23, "AA"), (32, "K")]),
        ('https://t.example/p|JSON|{"token":"T","key":"{click}"}', [(35, "T")]),
        ("https://t.example/?key={click}&token=a{id}&secret={secret.s}", [(37, "a")]),
        ("https://t.example/{status|map:a=b&key=5}", []),
    ],
)
def test_a_token_of_a_template_is_text_that_it_writes_itself(
    template: str, found: list[tuple[int, str]]
) -> None:
    assert literal_tokens(template) == found


def test_a_body_of_the_largest_size_is_searched_at_once() -> None:
    for body in ("a" * 262_144, "=" * 262_144, "&" * 262_144, '"key":"' * 37_000, '"key" ' * 40_000):
        assert mask_form(body) is not None
        assert mask_json(body) is not None
        assert mask_link("https://t.example/?" + body)
