"""What each filter makes of each kind of value, and which arguments are refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.templates.preview import Ask, Refused, Shown, preview

NOW_MS = 1_764_000_000_250


def answer(template: str, meta: dict[str, Any], **event: Any) -> Shown | Refused:
    event = {"status": "new", "meta": meta, **event}
    ask = Ask(template=template, event=msgspec.Raw(msgspec.json.encode(event)), secrets={"k": "s"})
    return preview(ask, now_ms=NOW_MS, random="r", reveal=True)


def bare(filters: str, value: Any, **event: Any) -> str:
    """What `{meta.x|…}` becomes as a bare JSON value."""
    shown = answer(f"https://t.example/p|JSON|{{meta.x{filters}}}", {"x": value}, **event)
    assert isinstance(shown, Shown), shown
    assert shown.body is not None
    return shown.body


def text(filters: str, value: Any, **event: Any) -> str:
    """What `{meta.x|…}` becomes as text."""
    shown = answer(f'https://t.example/p|JSON|"{{meta.x{filters}}}"', {"x": value}, **event)
    assert isinstance(shown, Shown), shown
    decoded = msgspec.json.decode(shown.body or "")
    assert isinstance(decoded, str)
    return decoded


def refusal(macro: str, part: str = "link") -> str:
    refused = answer(f"https://t.example/p?a={macro}", {})
    assert isinstance(refused, Refused), refused
    assert refused.error.part == part
    return refused.error.reason


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (12.0, "12"),
        (-0.0, "0"),
        (1e21, "1000000000000000000000"),
        (1.5e-7, "0.00000015"),
        (5e-324, "0." + "0" * 323 + "5"),
        (1.7976931348623157e308, "17976931348623157" + "0" * 292),
        (123456789012345680.0, "123456789012345680"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**63), "-9223372036854775808"),
        (0.1, "0.1"),
    ],
)
def test_a_number_prints_as_the_shortest_decimal_without_an_exponent(value: float, printed: str) -> None:
    assert bare("", value) == printed
    assert text("", value) == printed


@pytest.mark.parametrize(
    ("filters", "value", "made"),
    [
        ("|upper", "straße", '"STRASSE"'),
        ("|lower", "ΟΔΟΣ", '"οδος"'),
        ("|lower", 12.0, '"12"'),
        ("|upper", True, '"TRUE"'),
        ("|trim", "\u200b\ufeff\u00a0a\u2028", '"a"'),
        ("|trim", "\u200b\ufeff", "null"),
        ("|trim", 5, '"5"'),
        ("|trim", "\x1ca\x1f", '"\\u001ca\\u001f"'),
        ("|prepend:+", 38, '"+38"'),
        ("|append:\\|\\}", "a", '"a|}"'),
        ("|append: ", "a", '"a "'),
        ("|digits", "+38 (050) ١", '"38050"'),
        ("|digits", -12.5, '"125"'),
        ("|sha256", 1, '"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"'),
        ("|sha256", "ї", '"befd0ab3b4d0a26fce2f0edcae4e99c9c5dc00af9ca61c7faf5bfe4a4eb84736"'),
        ("|md5", "a", '"0cc175b9c0f1b6a831c399e269772661"'),
        ("|base64", "ї?>", '"0Zc/Pg=="'),
        ("|urlencode", "a b/ї", '"a%20b%2F%D1%97"'),
        ("|json", 'a"\n\x1f/é', '"\\"a\\\\\\"\\\\n\\\\u001f/é\\""'),
        ("|json", 12.0, '"\\"12\\""'),
        ("|number", " +12.500\n", "12.5"),
        ("|number", "-0.0", "0"),
        ("|number", "12.", "null"),
        ("|number", "- 1", "null"),
        ("|number", "1_000", "null"),
        ("|number", "9" * 64, "9" * 64),
        ("|number", " " + "9" * 64 + " ", "9" * 64),
        ("|number", "9" * 65, "null"),
        ("|number", True, "null"),
        ("|number", 1e21, "1000000000000000000000"),
        ("|round:2|number", 12.5, "12.50"),
        ("|round:2", -0.001, "0.00"),
        ("|round:0", 0.5, "1"),
        ("|round:0", -2.5, "-3"),
        ("|round:0", 1e21, "1000000000000000000000"),
        ("|round:12", "1.0000000000005", "1.000000000001"),
        ("|round:2", 1e-300, "0.00"),
        ("|round:2|upper", 1, '"1.00"'),
        ("|round:2|mul:1", 12.5, "12.5"),
        ("|mul:-1", 0, "0"),
        ("|mul:0.1", "0.1", "0.01"),
        ("|mul:+1.5", 2, "3"),
        ("|mul:100|map:1250=ok", "12.5", '"ok"'),
        ("|map:a=b", 12.5, "12.5"),
        ("|map:12.50=yes,12.5=no", 12.5, '"no"'),
        ("|round:2|map:12.50=yes,12.5=no", 12.5, '"yes"'),
        ("|map:a\\=b=c\\,d", "a=b", '"c,d"'),
        ("|map: a = b=c ", "a", '"b=c"'),
        ("|map:a=\\ b\\ ", "a", '" b "'),
        ("|map:\\*=star", "*", '"star"'),
        ("|map:\\*=star", "x", '"x"'),
        ("|map:*=1,*=2", "x", '"1"'),
        ("|map:*=1,a=2", "a", '"2"'),
        ("|map:=x,a=b", "a", '"b"'),
        ("|map:a=", "a", "null"),
        ("|map:a=|default:x", "a", '"x"'),
        ("|map:*=x", "", "null"),
        ("|substr:1,2", "ї😀éx", '"😀é"'),
        ("|substr:9,2", "abc", "null"),
        ("|substr:0,0", "abc", "null"),
        ("|substr:1,99999999999999999999", "abc", '"bc"'),
        ("|substr:0,2", 12.5, '"12"'),
        ("|substr:1,1|default:x", "a b", '"x"'),
        ("|default:x", " \u3000", '"x"'),
        ("|default:x", False, "false"),
        ("|default:x", 0, "0"),
        ("|default:", None, "null"),
        ("|default: ", None, "null"),
        ("|default: |default:y", None, '"y"'),
        ("|default:1e3", None, "1e3"),
        ("|default:-0", None, "-0"),
        ("|default:1.50", None, "1.50"),
        ("|default:01", None, '"01"'),
        ("|default:+1", None, '"+1"'),
        ("|default:.5", None, '".5"'),
        ("|default:True", None, '"True"'),
        ("|default:NaN", None, '"NaN"'),
        ('|default:"1"', None, '"1"'),
        ('|default:"a\\\\nb"', None, '"a\\nb"'),
        ('|default:""', None, "null"),
        ('|default:"', None, '"\\""'),
        ('|default:"a', None, '"\\"a"'),
        ('|default:"a"b"', None, '"\\"a\\"b\\""'),
        ("|default:0|round:2", None, "0.00"),
        ("|default:0|append:x", None, '"0x"'),
        ("|default:0|lower", None, '"0"'),
        ("|default:0|map:1=a", None, "0"),
        ("|default:null|default:x", None, "null"),
        ("|sha256|default:x|upper", None, '"X"'),
    ],
)
def test_a_filter_makes_of_a_value(filters: str, value: Any, made: str) -> None:
    assert bare(filters, value) == made


def test_a_default_is_text_wherever_there_is_no_bare_json() -> None:
    assert text('|default:"0"', None) == '"0"'
    shown = answer('https://t.example/p?a={goal|default:"0"}&b={goal|default:null}', {})
    assert isinstance(shown, Shown)
    assert shown.url == "https://t.example/p?a=%220%22&b=null"


def test_a_default_in_json_of_a_form_is_bare_too() -> None:
    shown = answer('https://t.example/p|POST|d=[{goal|default:0},"{goal|default:0}"]', {})
    assert isinstance(shown, Shown)
    assert shown.body == "d=%5B0%2C%220%22%5D"


@pytest.mark.parametrize(
    ("filters", "value", "made"),
    [
        ("|ms", 1764000000.1239, "1764000000123"),
        ("|ms", -1.5, "-1500"),
        ("|ms", "1764000000", "null"),
        ("|ms", "2026-11-23", "1795392000000"),
        ("|ms", "2026-11-23T15:00:00", "1795446000000"),
        ("|ms", "2026-11-23 15:00:00.9999Z", "1795446000999"),
        ("|ms", "2026-11-23t17:00+02:00", "1795446000000"),
        ("|ms", "2026-11-23T15:00:00.5z", "1795446000500"),
        ("|ms", "2026-11-23x15:00:00", "null"),
        ("|ms", "2026-13-23", "null"),
        ("|ms", "2026-11-23T25:00", "null"),
        ("|ms", "2026-11-23\0", "null"),
        ("|ms", "٢٠٢٦-11-23", "null"),
        ("|ms", "12345678901", "null"),
        ("|ms", True, "null"),
        ("|ms", None, "null"),
        ("|round:1|ms", 1764000000.25, "1764000000300"),
        ("|number|iso", "1764000000", '"2025-11-24T16:00:00Z"'),
        ("|iso", 1764000000.999, '"2025-11-24T16:00:00Z"'),
        ("|iso", 1e300, "null"),
        ("|iso", -62135596800, '"0001-01-01T00:00:00Z"'),
        ("|iso", -62135596801, "null"),
        ("|iso|ms", 1764000000.25, "1764000000000"),
        ("|date:%Y", 253402300800, "null"),
        ("|date:%Y-%m-%d,America/New_York", "2026-01-01T03:00:00Z", '"2025-12-31"'),
        ("|date:%I %p,UTC", "2026-01-01T00:30:00Z", '"12 AM"'),
        ("|date:%I %p", "2026-01-01T12:30:00Z", '"12 PM"'),
        ("|date:%j", "2024-12-31", '"366"'),
        ("|date:%a %A %b %B %y", "2026-05-03", '"Sun Sunday May May 26"'),
        ("|date:%Z %z %:z,Europe/Kyiv", "2026-07-01", '"EEST +0300 +03:00"'),
        ("|date:%Z %z,UTC", "2026-07-01", '"UTC +0000"'),
        ("|date:%z,America/St_Johns", "2026-01-01", '"-0330"'),
        ("|date:%s %f", 1764000000.25, '"1764000000 250000"'),
        ("|date:%s", -0.5, '"-1"'),
        ("|date:%Y\\,%m", "2026-01-01", '"2026,01"'),
        ("|date:%%Y", "2026-01-01", '"%Y"'),
        ("|date:at %H:%M", "2026-01-01T10:05", '"at 10:05"'),
    ],
)
def test_a_moment_is_shown(filters: str, value: Any, made: str) -> None:
    assert bare(filters, value) == made


def test_now_remembers_its_milliseconds_through_filters_that_keep_it() -> None:
    shown = answer(
        "https://t.example/p|JSON|[{now},{now|number|ms},{now|default:1|date:%f},{now|round:0|ms},{now|lower|ms}]",
        {},
    )
    assert isinstance(shown, Shown)
    assert shown.body == '[1764000000,1764000000250,"250000",1764000000000,null]'


@pytest.mark.parametrize(
    ("filters", "phone", "geo", "digits"),
    [
        ("|e164", "+38 (050) 123-45-67", None, "380501234567"),
        ("|e164", "0501234567", "ua", "380501234567"),
        ("|e164", "0501234567", None, ""),
        ("|e164", "0501234567", "XX", ""),
        ("|e164:ua", "0501234567", "PL", "380501234567"),
        ("|e164:geo,ua", "0501234567", "XX", "380501234567"),
        ("|e164:UA", "+48 600 100 200", None, "48600100200"),
        ("|e164:UA", "+999123456789", None, ""),
        ("|e164:UA", "phone", None, ""),
        ("|e164:GB", "+44 20 7946 0018 ext 5", None, "442079460018"),
    ],
)
def test_a_phone_number_gets_its_calling_code(filters: str, phone: str, geo: str | None, digits: str) -> None:
    assert text(filters, phone, click={"geo": geo}) == digits


@pytest.mark.parametrize(
    "macro",
    [
        "{id|lower:}", "{id|sha256:x}", "{id|prehashed:x}", "{id|gmail:x}", "{id|json:x}", "{id|iso:x}",
        "{id|number:2}",
        "{id|default}", "{id|prepend}", "{id|append}", "{id|round}", "{id|mul}", "{id|map}", "{id|substr}",
        "{id|date}", "{id|hmac}", "{id|hmac:}", "{id|hmac:k,}", "{id|hmac:k,base64,x}", "{id|hmac:k,BASE64}",
        "{id|round:}", "{id|round:-1}", "{id|round:1.5}", "{id|round: 2}", "{id|round:٣}", "{id|round:2,3}",
        "{id|mul:}", "{id|mul:x}", "{id|mul:1e3}", "{id|mul:1,5}", "{id|mul:.5}",
        "{id|map:}", "{id|map:a}", "{id|map:a=b,}", "{id|map:,a=b}", "{id|map:a=b,,c=d}", "{id|map:a\\=b}",
        "{id|substr:1}", "{id|substr:,}", "{id|substr:1,2,3}", "{id|substr:1, 2}", "{id|substr:-1,2}",
        "{id|date:}", "{id|date:%}", "{id|date:%e}", "{id|date:%:}", "{id|date:%:Z}", "{id|date:%-d}",
        "{id|date:%Y,}", "{id|date:%Y,Mars/Base}", "{id|date:%Y, UTC}", "{id|date:%Y,europe/kyiv}",
        "{id|date:%Y,UTC,UTC}", "{id|date:%Y,../UTC}", "{id|date:%Y,right/UTC}", "{id|date:%Y,localtime}",
        "{phone|e164:}", "{phone|e164:geo}", "{phone|e164:ZZ}", "{phone|e164:UKR}", "{phone|e164:geo, UA}",
        "{phone|e164:UA,PL}", "{phone|e164:GEO,UA}", "{phone|e164:UA,geo}",
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused(macro: str) -> None:
    written = macro[1:-1].split("|", 1)[1]
    assert written.split(":")[0] in refusal(macro)
    argument = written.partition(":")[2]
    assert argument in refusal(macro)


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("sha265", "sha256"),
        ("Lower", "lower"),
        ("sha-256", "sha256"),
        ("urldecode", "urlencode"),
        ("substring", "substr"),
    ],
)
def test_an_unknown_filter_is_refused_with_the_nearest_known_one(written: str, near: str) -> None:
    reason = refusal(f"{{id|{written}}}")
    assert written in reason
    assert f'"{near}"' in reason


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
        ("A.b@GoogleMail.com", "Ab@GoogleMail.com"),
        ("user.name+nyc@example.com", "user.name+nyc@example.com"),
        ("a.b+c", "a.b+c"),
    ],
)
def test_an_address_at_gmail_is_as_google_hashes_it(value: str, made: str) -> None:
    assert text("|gmail", value) == made


_HASH = "Ab" * 32


@pytest.mark.parametrize(
    ("filters", "value", "made"),
    [
        ("|prehashed|trim|lower|sha256", f" {_HASH}\u200b", "ab" * 32),
        ("|prehashed|e164:UA|prepend:+|sha256", _HASH, "ab" * 32),
        ("|prehashed|default:none", _HASH, "ab" * 32),
        ("|prehashed|lower", _HASH[:-1], "ab" * 31 + "a"),
        ("|prehashed|lower", _HASH + "0", "ab" * 32 + "0"),
        ("|prehashed|upper", "ag" * 32, "AG" * 32),
        ("|prehashed|trim", " a ", "a"),
        ("|prehashed|default:none", None, "none"),
        ("|lower|prehashed|append:x", _HASH, "ab" * 32),
        ("|append:x|prehashed|lower", _HASH, "ab" * 32 + "x"),
        ("|prehashed|number|append:x", 12, "12x"),
    ],
)
def test_what_is_a_sha_256_already_passes_the_filters_after_prehashed(
    filters: str, value: Any, made: str
) -> None:
    assert text(filters, value) == made


def test_hmac_is_not_asked_for_a_missing_value() -> None:
    assert bare("|hmac:nobody", None) == "null"


def test_a_fault_points_at_the_filter() -> None:
    refused = answer("https://t.example/😀?a={id|lower|sha265}", {})
    assert isinstance(refused, Refused)
    assert refused.error.at == "https://t.example/😀?a={id|lower|sha265}".index("sha265")
