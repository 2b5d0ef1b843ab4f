"""The grammar of links and forms: macros, splits, hosts, paths, pairs, white space, fragments."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.templates.preview import Ask, Refused, Shown, preview


def answer(template: str, *, omit_empty: bool = False, strict: bool = False, **event: Any) -> Shown | Refused:
    raw = msgspec.Raw(msgspec.json.encode({"lead_id": "L", "status": "new", **event}))
    ask = Ask(template=template, event=raw, omit_empty=omit_empty, strict=strict)
    return preview(ask, now_ms=0, random="r", reveal=True)


def shown(template: str, **given: Any) -> Shown:
    made = answer(template, **given)
    assert isinstance(made, Shown), made
    return made


def refused(template: str, **given: Any) -> Refused:
    made = answer(template, **given)
    assert isinstance(made, Refused), made
    return made


def after_host(template: str, **given: Any) -> str:
    return shown(f"https://t.example{template}", **given).url.removeprefix("https://t.example")


def form(text: str, **given: Any) -> str | None:
    return shown(f"https://t.example/p|POST|{text}", **given).body


HOSTILE = ' a/b?c#d&e=f%2e+"\\{}[]|\r\n\0\u2028😀'
IN_PAIR = "%20a%2Fb%3Fc%23d%26e%3Df%252e%2B%22%5C%7B%7D%5B%5D%7C%0D%0A%00%E2%80%A8%F0%9F%98%80"


# Macros


@pytest.mark.parametrize(
    ("literal", "sent"),
    [
        ("{id}", "L"),
        ("{ID}", "%7BID%7D"),
        ("{ id}", "%7B%20id%7D"),
        ("{id }", "%7Bid%20%7D"),
        ("{}", "%7B%7D"),
        ("{id", "%7Bid"),
        ("{id|", "%7Bid%7C"),
        ("{id|lower", "%7Bid%7Clower"),
        ("{id|lower:", "%7Bid%7Clower:"),
        ("{id|default:x", "%7Bid%7Cdefault:x"),
        ("{id|default:x\\", "%7Bid%7Cdefault:x%5C"),
        ("{id|default:x\\}", "%7Bid%7Cdefault:x%5C%7D"),
        ("{id|2x}", "%7Bid%7C2x%7D"),
        ("{id|-x}", "%7Bid%7C-x%7D"),
        ("{id|lower|}", "%7Bid%7Clower%7C%7D"),
        ("{id| lower}", "%7Bid%7C%20lower%7D"),
        ("{id||lower}", "%7Bid%7C%7Clower%7D"),
        ("{{id}}", "%7BL%7D"),
        ("{-id}", "%7B-id%7D"),
        ("{.id}", "%7B.id%7D"),
        ("{1}", "%7B1%7D"),
        ("{їd}", "%7B%D1%97d%7D"),
        ("{id.x}", "%7Bid.x%7D"),
        ("{_}", "%7B_%7D"),
        ("{meta}", "%7Bmeta%7D"),
        ("{tag}", "%7Btag%7D"),
        ("{param}", "%7Bparam%7D"),
        ("{secret}", "%7Bsecret%7D"),
        ("{meta.}", "%7Bmeta.%7D"),
        ("{_meta}", "%7B_meta%7D"),
        ("{nope|lower|sha256}", "%7Bnope%7Clower%7Csha256%7D"),
        ("{nope|what:ever}", "%7Bnope%7Cwhat%3Aever%7D"),
        ("{nope|default:x y&z}", "%7Bnope%7Cdefault%3Ax%20y%26z%7D"),
        ("{_nope|default:x&z}", "%7B_nope%7Cdefault%3Ax%26z%7D"),
        ("{sub0}", "%7Bsub0%7D"),
        ("{sub31}", "%7Bsub31%7D"),
        ("{sub01}", "%7Bsub01%7D"),
        ("{goal|default:x\\{y}", "x%7By"),
        ("{goal|default:a\\\nb}", "a%0Ab"),
        ("{goal|default:a:b}", "a%3Ab"),
        ("{goal|default:a\\bc}", "abc"),
        ("{goal|default:a\\\\b}", "a%5Cb"),
        ("{goal|default:\\|POST\\|}", "%7CPOST%7C"),
        ("{postback}{request}", ""),
        ("{random}", "r"),
        ("{stage}", "new"),
        ("{event}", "new"),
        ("{meta.a.b-c}", "1"),
        ("{tag.a.b}", "2"),
        ("{a.b}", "2"),
        ("{a.b|append:x}", "2x"),
    ],
)
def test_what_is_a_macro_and_what_is_text(literal: str, sent: str) -> None:
    assert form(f"a={literal}", meta={"a.b-c": 1}, tags={"a.b": "2"}) == f"a={sent}".replace(":", "%3A")


@pytest.mark.parametrize("argument", ["{", "x{y", "x\ny", "x\ry", "\\\\{", "x{"])
@pytest.mark.parametrize("end", ["}", ""])
def test_a_brace_or_line_break_in_an_argument_is_refused(argument: str, end: str) -> None:
    error = refused(f"https://t.example/p?a={{goal|default:{argument}{end}").error
    assert error.part == "link"
    assert error.at is not None
    assert refused(f"https://t.example/p|POST|a={{nope|x:{argument}{end}").error.part == "form"
    assert refused(f"https://t.example/p|JSON|{{goal|default:{argument}{end}").error.part == "json"


def test_a_tag_of_the_lead_is_a_macro_and_one_without_a_value_is_missing() -> None:
    tags = {
        "x": "1",
        "empty": "",
        "null": None,
        "white": " ",
        "click": "T",
        "_y": "under",
        "meta": "M",
        "_": "U",
    }
    assert form("a={x}&b={empty}&c={null}&d={white}", tags=tags) == "a=1&b=&c=&d="
    assert form("a={click}&b={tag.click}&c={tag._y}&d={meta}&e={_}", tags=tags) == "a=&b=T&c=under&d=M&e=U"
    assert form("a={_y}", tags=tags) == "a=%7B_y%7D", "{_y} is raw y, and there is no tag y"
    assert form("a={__y}", tags=tags) == "a=under"
    assert form("a={_x}", tags={"x": "1&2", "_x": "no"}) == "a=1&2"
    assert form("a={x|bogus}", tags=tags) == "a=%7Bx%7Cbogus%7D"


def test_strict_refuses_an_unknown_macro_that_is_no_tag() -> None:
    assert shown("https://t.example/p?a={x}{null}", strict=True, tags={"x": "1", "null": None}).url.endswith(
        "a=1"
    )
    error = refused("https://t.example/p?a={x}", strict=True).error
    assert (error.part, error.at) == ("link", 22)
    assert "{x}" in error.reason
    assert shown("https://t.example/p?a=1#{x}", strict=True).url == "https://t.example/p?a=1"
    assert "{email}" in refused("https://t.example/p|POST|a={emial}", strict=True).error.reason


# Splits


def test_only_the_first_upper_case_split_outside_a_macro_splits() -> None:
    assert shown("https://t.example/p|post|a=1").method == "GET"
    assert shown("https://t.example/p|Json|a").url == "https://t.example/p%7CJson%7Ca"
    assert form("a=|JSON|{}") == "a=%7CJSON%7C%7B%7D"
    assert shown('https://t.example/p|JSON|"|POST|"').body == '"|POST|"'
    assert shown("https://t.example/p?a={nope|default:x|POST|y}").method == "GET"
    assert shown("https://t.example/p?a={id|POST|b=1").url == "https://t.example/p?a=%7Bid"
    assert shown("https://t.example/p||POST||a").url == "https://t.example/p%7C"
    assert form("|a") == "%7Ca"
    empty = shown("https://t.example/p|POST|")
    assert (empty.method, empty.body, empty.headers) == (
        "POST",
        "",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )


# Hosts


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("T.EXAMPLE", "t.example"),
        ("t.example.", "t.example."),
        ("a_b.example", "a_b.example"),
        ("_dmarc.münchen.example", "_dmarc.xn--mnchen-3ya.example"),
        ("FAß.de", "xn--fa-hia.de"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("localhost:65535", "localhost:65535"),
        ("t.example:0080", "t.example:0080"),
        ("t.example:443", "t.example:443"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]:80"),
        ("a.1e3", "a.1e3"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
    ],
)
def test_a_host_is_lower_cased_and_becomes_punycode(host: str, sent: str) -> None:
    assert shown(f"HTTPS://{host}/P").url == f"https://{sent}/P"


@pytest.mark.parametrize(
    "link",
    [
        "", " ", "t.example/p", "//t.example/", "https:/t.example/", "https:t.example", "htps://t.example/",
        "javascript:alert(1)", "https://", "https:///p", "https://?a=1", "https://#x", "https://:80/",
        "https://t.example:/", "https://t.example:0/", "https://t.example:65536/", "https://t.example:8a/",
        "https://t.example:80:80/", "https://t.example:+80/", "https://t.example:٨٠/", "https://u@t.example/",
        "https://u:p@t.example/", "https://@t.example/", "https://t.example\\@evil.example/", "https://1.2.3/",
        "https://0x7f.1/", "https://256.1.1.1/", "https://127.0.0.01/", "https://2130706433/", "https://1.2.3.4.5/",
        "https://[::1/", "https://[::1]x/", "https://[::g]/", "https://[fe80::1%25eth0]/", "https://::1/",
        "https://a..b/", "https://.a/", "https://./", "https://t.example../", "https://-a.b/", "https://a-.b/",
        "https://a b/", "https://t.example /", "https:// t.example/", "https://t%2eexample/", "https://a*b/",
        "https://a／b/", "https://☃.example:x/",
        f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/",
        "https://t.exa\nmple/", "\ufeffhttps://t.example/", "{url}", "http{x}://t.example/", "https://{id}/",
        "https://t.example{id}/", "https://t.example:{id}/", "https://{id}@t.example/", "https://t.example{_id}",
        "{id}https://t.example/", "https://t{nope}.example/",
    ],
)  # fmt: skip
def test_what_is_no_place_to_send_to_is_refused(link: str) -> None:
    assert refused(link).error.part == "link"
    assert refused(f"{link}|POST|a=1").error.part == "link"


def test_a_macro_may_stand_as_soon_as_the_host_has_ended() -> None:
    assert after_host("/{id}") == "/L"
    assert after_host("?{id}={id}") == "/?L=L"
    assert after_host("#{id}") == "/"


# Paths


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("", "/"),
        ("/", "/"),
        ("//a//", "//a//"),
        ("/a b", "/a%20b"),
        ('/ї"<>\\^`|{}[]', "/%D1%97%22%3C%3E%5C%5E%60%7C%7B%7D%5B%5D"),
        ("/%41%e2%zz%4", "/%41%e2%25zz%254"),
        ("/%4{id}", "/%254L"),
        ("/%{id}1", "/%25L1"),
        ("/a&b=c", "/a&b=c"),
        ("/...", "/..."),
        ("/.a/a./a..", "/.a/a./a.."),
        ("/%2e%2ea", "/%2e%2ea"),
        ("/%2e%2e%2e", "/%2e%2e%2e"),
        ("/a\x01\t", "/a%01"),
        ("/a ?b=1", "/a?b=1"),
        (" ?b=1", "/?b=1"),
        ("/a \n?b=1", "/a?b=1"),
        ("/a #x", "/a"),
        ("/a\n", "/a"),
        ("/..{id}", "/..L"),
        ("/{goal}", "/"),
    ],
)
def test_literal_text_in_the_path(path: str, sent: str) -> None:
    assert after_host(path) == sent


@pytest.mark.parametrize(
    "path", ["/.", "/..", "/a/./b", "/a/..", "/%2e", "/.%2E/a", "/%2e%2e?a=1", "/../", "/.. ?a", "/..#"]
)
def test_a_literal_dot_segment_is_refused(path: str) -> None:
    assert refused(f"https://t.example{path}").error.part == "link"


@pytest.mark.parametrize(
    ("path", "uid"),
    [
        ("/{uid}", "."),
        ("/{uid}", ".."),
        ("/a/{uid}{uid}/b", "."),
        ("/%2e{uid}", "."),
        ("/.{goal}/{uid}", "x"),
        ("/{_uid}", ".."),
        ("/{_uid}", "a/../b"),
        ("/{_uid}", "%2E%2e"),
        ("/{_uid}", "a/%2e"),
        ("/{_uid}.", "a/"),
        ("/{_uid}/..{goal}", "a"),
        ("/{uid}/.{goal}?x=1", "a?"),
    ],
)
def test_a_dot_segment_that_comes_out_fails_the_request(path: str, uid: str) -> None:
    error = refused(f"https://t.example{path}", uid=uid).error
    assert error.part == "link"
    assert "segment" in error.reason


@pytest.mark.parametrize(
    ("path", "uid", "sent"),
    [
        ("/{uid}", "%2e%2e", "/%252e%252e"),
        ("/{uid}", "../..", "/..%2F.."),
        ("/{uid}", " .", "/%20."),
        ("/{_uid}", "a?/../b", "/a?/../b"),
        ("/{_uid}/..{goal}", "a?", "/a?/.."),
        ("/{_uid}", "..a", "/..a"),
        ("/{uid}", "a:b@c;d", "/a:b@c%3Bd"),
        ("/x{uid}", "\r\n", "/x"),
    ],
)
def test_what_is_no_dot_segment_stays(path: str, uid: str, sent: str) -> None:
    assert after_host(path, uid=uid) == sent


@pytest.mark.parametrize(
    "template", ["/a\nb", "/a?b=c\nd", "/a?b\rc=d", '/a?d={"a":\n1}', "/a?b={goal}\n{id}", "/{id}\n{id}"]
)
def test_a_line_break_inside_the_link_is_refused(template: str) -> None:
    error = refused(f"https://t.example{template}").error
    assert error.part == "link"
    assert error.at == len("https://t.example") + min(
        at for at in (template.find("\n"), template.find("\r")) if at >= 0
    )


def test_a_line_break_stays_where_white_space_is_dropped() -> None:
    assert after_host("/p\n?\na=1\n&\nb\n=\n2\n") == "/p?a=1&b=2"
    assert after_host('/p?d={\n"a":\n1 }', omit_empty=True) == "/p?d=%7B%22a%22%3A1%7D"
    assert after_host("/p#a\nb") == "/p"
    assert form('a=x\ny&d={"a":\n1}') == "a=x%0Ay&d=%7B%22a%22%3A%0A1%7D"


# Pairs


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("?", ""),
        ("?&", ""),
        ("?=", ""),
        ("?&=&", ""),
        ("? ", ""),
        ("?{goal}", ""),
        ("?{goal}={uid}", ""),
        ("?{goal}&a", "?a"),
        ("?a&{goal}=&b", "?a&b"),
        ("?=1", "?=1"),
        ("?a", "?a"),
        ("?a=", "?a="),
        ("?a==b", "?a==b"),
        ("?a=1?b=2", "?a=1?b=2"),
        ("??a", "??a"),
        ("?a&a&a", "?a&a&a"),
        ("?a+b=c+d", "?a+b=c+d"),
        ("?a%3db=c%26d", "?a%3db=c%26d"),
        ("?a=1;b=2", "?a=1;b=2"),
        ("?a= \u3000x\u00a0y \u2003&b", "?a=x%C2%A0y&b"),
        ("?a=\u200bx", "?a=%E2%80%8Bx"),
        ("? a {id} = {id} x ", "?a%20L=L%20x"),
        ("?a= {goal} ", "?a="),
        ("?a={goal} {goal}", "?a=%20"),
        ("?a=1#b=2", "?a=1"),
        ("?a#", "?a"),
        ("?#a", ""),
        ("?{goal}=#a", ""),
        ("?a={#}", "?a=%7B"),
        ("?a=[1]", "?a=%5B1%5D"),
        ("?a=[x]", "?a=[x]"),
        ("?a=[1]x", "?a=[1]x"),
        ("?a=x[1]", "?a=x[1]"),
        ("?a=[&b=1]", "?a=[&b=1]"),
        ('?a=["&"]x&b', "?a=[%22&%22]x&b"),
        ('?a=["#"]x', "?a=[%22"),
        ("?a={}", "?a=%7B%7D"),
        ("?a= {} &b", "?a=%7B%7D&b"),
        ("?a=[]#x", "?a=%5B%5D"),
        ('?a=[ "b" , 1 ]', "?a=%5B%20%22b%22%20%2C%201%20%5D"),
        ('?={"a":"&"}', "?=%7B%22a%22%3A%22%26%22%7D"),
        ('?{"a":"b=c&d"}', "?%7B%22a%22:%22b=c&d%22%7D"),
        ("?a={id}[1]", "?a=L[1]"),
    ],
)
def test_a_query_is_pairs(query: str, sent: str) -> None:
    assert after_host(f"/p{query}") == f"/p{sent}"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("a=1&a=2&&b", "a=1&a=2&b"),
        ("a[b]=c", "a%5Bb%5D=c"),
        ("a=b=c", "a=b%3Dc"),
        ("a=~!*'()", "a=~%21%2A%27%28%29"),
        ("a=%41+%zz", "a=%41+%25zz"),
        ("a#b=?c", "a%23b=%3Fc"),
        ('d={"a":"#&="}&b', "d=%7B%22a%22%3A%22%23%26%3D%22%7D&b"),
        ("a=[x]", "a=%5Bx%5D"),
        ("{goal}={uid}&x", "x"),
        (" ", ""),
        ("a=\r\n&\r\nb=1\r\n", "a=&b=1"),
    ],
)
def test_a_form_is_pairs_and_keeps_less(written: str, sent: str) -> None:
    assert form(written) == sent


def test_hostile_values_stay_in_their_places() -> None:
    assert form("a={uid}&b=1", uid=HOSTILE) == f"a={IN_PAIR}&b=1"
    assert after_host("?a={uid}&{uid}", uid=HOSTILE) == f"/?a={IN_PAIR}&{IN_PAIR}"


def test_json_deeper_than_64_in_a_pair_is_plain_text() -> None:
    assert form("a=" + "[" * 64 + "]" * 64) == "a=" + "%5B" * 64 + "%5D" * 64
    assert after_host("?a=" + "[" * 64 + "]" * 64) == "/?a=" + "%5B" * 64 + "%5D" * 64
    assert after_host("?a=" + "[" * 65 + "]" * 65) == "/?a=" + "[" * 65 + "]" * 65


def test_a_raw_value_adds_what_it_likes_to_a_link_but_no_fragment_and_no_line() -> None:
    assert after_host("/{_uid}", uid="a/b?c=d&e#f\r\n\x85 é") == "/a/b?c=d&e%23f%20%C3%A9"
    assert form("a={_uid}", uid='+&=%41%4"') == "a=+&=%41%254%22"
    assert form("a={_uid|append:&b=2}", uid="1") == "a=1&b=2"
    assert form("a={_price}&b={_goal}&c={_meta.t}", price=1.0, meta={"t": True}) == "a=1&b=&c=true"


@pytest.mark.parametrize(
    ("template", "part"),
    [
        ('https://t.example/p|JSON|{"a":{_id}}', "json"),
        ('https://t.example/p|JSON|{"{_id}":1}', "json"),
        ('https://t.example/p|POST|a={"a":"{_nope}"}', "form"),
        ("https://t.example/p?a=[{_id}]", "link"),
    ],
)
def test_a_raw_value_is_refused_in_json(template: str, part: str) -> None:
    assert refused(template).error.part == part


def test_a_wrong_filter_is_refused_even_in_a_fragment() -> None:
    assert refused("https://t.example/p#{id|bogus}").error.part == "link"


# Lengths


def test_a_template_may_have_16_kib_of_utf_8() -> None:
    head = "https://t.example/p|POST|a="
    assert isinstance(answer(head + "x" * (16384 - len(head))), Shown)
    error = refused(head + "x" * (16384 - len(head) + 1)).error
    assert (error.part, error.at) == ("link", None)
    assert refused(head + "ї" * 8190).error.part == "link"


def test_a_rendered_link_may_have_8_kib() -> None:
    head = "https://t.example/p?a="
    assert len(shown(head + "{uid}", uid="x" * (8192 - len(head))).url) == 8192
    error = refused(head + "{uid}", uid="x" * (8193 - len(head))).error
    assert error.part == "link"
    assert "8193" in error.reason


def test_a_rendered_body_may_have_256_kib() -> None:
    macros = "{uid}" * 64
    assert len(form(f"a={macros}xxxx", uid="x" * 4095) or "") == 2 + 64 * 4095 + 4
    error = refused(f"https://t.example/p|POST|a={macros}", uid="x" * 4097).error
    assert error.part == "form"
    error = refused(f'https://t.example/p|JSON|"{macros}"', uid="ї" * 2049).error
    assert error.part == "json"


def test_an_underscore_makes_raw_only_what_is_a_name() -> None:
    assert form("a={_1x}&b={_.}", tags={"1x": "&", "_1x": "&", "_.": "&"}) == "a=%26&b=%26"
