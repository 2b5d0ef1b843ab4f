"""What the linter says, and that it says nothing of a plain template."""

from __future__ import annotations

import pytest

from app.templates.lint import lint_template


@pytest.mark.parametrize(
    "template",
    [
        'https://t.example/p?a={id}&b={_param.x}&c={tag.x}|POST|d={"a":"{ip}"}&e=%41',
        'https://t.example/p|JSON|\n{ "a" : "{id}" , "b": "{ x }" }\n',
        "https://t.example/p|POST|a=1\n&b={id}\n&c=3\n",
        "https://t.example/p?a=x y&b=[x",
        "https://t.example/p?a={_price}&b={_now}",
        "https://t.example/p|POST|a=[{id}]",
        "https://t.example/p/{secret.k}?a=1",
        "https://t.example/p?a={secret.k}|POST|b=1",
        "https://t.example/p?e={email|trim|lower|sha256}&p={phone|e164:US|sha256}&hash={email|lower|sha256}",
        "https://t.example/p?event_time={time}&timestamp_ms={now|ms}&timestamp_micros={time|ms|mul:1000}",
        "https://t.example/p?event_time={meta.at}&at_ms={tag.at}&event_id={id}-{event}&tid={request}&x={random}",
        'https://t.example/p?a=%7Bnobody%7D|JSON|{"a":"%7Bclick%7D"}',
        "https://t.example/p?items={time}&terms={now}&sig={email|lower|sha256|hmac:k}",
        "https://t.example/p?ph={phone}&email={email}&em={email}&s={event_id|sha256}&event_time={now|date:%s}",
        "https://t.example/p?u=https%3A%2F%2Fa.example%2F%3Fc%3D{click|urlencode}&v={_price|urlencode}",
        'https://t.example/p|JSON|{"user_data":{"em":["{email|trim|lower|sha256}"]},"fbc":"fb.1.{now}.{adid}"}',
    ],
)
def test_a_plain_template_raises_no_eyebrow(template: str) -> None:
    assert [warning for warning in lint_template(template) if "starts like JSON" not in warning] == []


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("https://t.example/p?a={clikc}", ["{clikc} at 22", "{click}"]),
        ("https://t.example/p?a={ID}", ["{ID}", "{id}"]),
        ("https://t.example/p?a={meta}", ["{meta}", "{meta.NAME}"]),
        ("https://t.example/p?a={mta.vip}", ["{meta.vip}"]),
        ("https://t.example/p?a={utm-source}", ["{utm_source}"]),
        ("https://t.example/p?a={_emial}", ["{_emial}", "{email}"]),
        ("https://t.example/p?a={ id }", ["{ id } at 22", "{id}"]),
        ("https://t.example/p?a={id }", ["{id } at 22", "{id}"]),
        ("https://t.example/p?a={id | lower}", ["{id | lower}", "{id|lower}"]),
        ('https://t.example/p|JSON|{"a":"{ now }"}', ["{ now }"]),
        ("https://t.example/p|post|a=1", ["|post| at 19", "|POST|"]),
        ("https://t.example/p|Json|{}", ["|Json|", "|JSON|"]),
        ('https://t.example/p|POST|{"a":1}', ["did you mean |JSON|?"]),
        ("https://t.example/p|POST|[1]", ["did you mean |JSON|?"]),
        ("https://t.example/p?a={id}#top", ["#top at 26", "fragment"]),
        ("https://t.example/p?a={ip} &b=1", ["white space at 26"]),
        ("https://t.example/p ?a=1", ["white space at 19"]),
        ("https://t.example/p|POST|a =1", ["white space at 26"]),
        ('https://t.example/p|POST|d={"a":1,}&c=1', ["value of d", "line 1, column 8"]),
        ('https://t.example/p|POST|d={"a":{id}\n,"b":x}', ["line 2, column 6"]),
        ('https://t.example/p|POST|d={"a":1}x', ["line 1, column 8"]),
        ("https://t.example/p?d=%7B%22a%22%3A%22{id}%22%7D", ["value of d at 22", "percent-encoded"]),
        ("https://t.example/p|POST|d={%22a%22:{id}}", ["percent-encoded"]),
        ("https://t.example/p?u={_url}", ["{_url} at 22", "raw", "pairs", "{url}"]),
        ("https://t.example/p?u={_tag.x|lower}", ["{_tag.x|lower}", "{tag.x|lower}"]),
        ("https://t.example/p?hashed_email={email}", ["hashed_email at 33", "{email|trim|lower|sha256}"]),
        ('https://t.example/p|POST|d={"user_data":{"ph":["{phone}"]}}', ["d.user_data.ph[] at 48", "e164"]),
        (
            "https://t.example/p?email_sha256={tag.mail}",
            ["email_sha256 at 33", "{tag.mail|trim|lower|sha256}"],
        ),
        ('https://business-api.tiktok.com/t|JSON|{"user":{"email":"{email}"}}', ["user.email at 57"]),
        ("https://t.example/p?a={email|sha256}", ["as it was typed", "{email|trim|lower|sha256}"]),
        ("https://t.example/p?a={phone|trim|sha256}", ["as it was typed", "{phone|e164:geo,US|sha256}"]),
        ("https://t.example/p?a={email|lower|sha256|md5}", ["hash of a hash", "sha256 and md5"]),
        ("https://t.example/p?a={meta.email_hash|sha256}", ["hash of a hash", "write {meta.email_hash}"]),
        ("https://t.example/p?event_time={time|ms}", ["event_time at 31", "wants seconds", "write {time}"]),
        ("https://t.example/p?timestamp_ms={now}", ["wants milliseconds", "write {now|ms}"]),
        ("https://t.example/p?timestamp_micros={time|ms}", ["wants microseconds", "{time|ms|mul:1000}"]),
        (
            'https://graph.facebook.com/v26.0/1/events|JSON|{"fbc":"fb.1.{now}.{fbclid}"}',
            ["fbc at 55", "wants milliseconds", "write {now|ms}"],
        ),
        ("https://t.example/p?event_id={random}", ["event_id at 29", "{random}", "write {request}"]),
        ("https://t.example/p?txid={id}-{now}", ["txid at 25", "{now}", "write {request}"]),
        ("https://t.example/p?transaction-id={now|ms}", ["transaction-id at 35", "write {request}"]),
        ("https://t.example/p?a={secret.k}", ["{secret.k} at 22", "in a GET", "|POST|"]),
        ("https://t.example/p?b={id}&a=%7Bclick%7D", ["%7Bclick%7D at 29", "write {click}"]),
        ("https://t.example/%257b_click%257d", ["%257b_click%257d at 18", "write {_click}"]),
        ("https://t.example/p?a={click|urlencode}", ["a at 22", "percent-encoded twice"]),
    ],
)
def test_the_linter_points_at(template: str, said: list[str]) -> None:
    warnings = lint_template(template)
    assert len(warnings) == 1, warnings
    for text in said:
        assert text in warnings[0]


def test_a_tag_that_the_lead_has_is_not_unknown() -> None:
    assert lint_template("https://t.example/p?a={x}", tags={"x": "1"}) == []
    assert len(lint_template("https://t.example/p?a={x}", tags={"y": "1"})) == 1


def test_headers_are_looked_at_too() -> None:
    warnings = lint_template("https://t.example/p", {"X-A": "{clikc} { id }", "X-B": "{id|default:{"})
    assert [warning.startswith("header X-A:") for warning in warnings] == [True, True]


def test_what_does_not_compile_is_still_read_as_far_as_it_can_be() -> None:
    assert len(lint_template("https://{clikc}/p")) == 1
    assert lint_template("https://t.example/{id|default:{") == []
    assert lint_template("") == []


def test_each_place_is_said() -> None:
    assert len(lint_template("https://t.example/p?a={x}&b={ip} &c={ua} &d={x}")) == 4


def test_a_header_for_repeats_is_looked_at_too() -> None:
    (warning,) = lint_template("https://t.example/", {"Idempotency-Key": "{random}", "X-Trace": "{random}"})
    assert warning.startswith("header Idempotency-Key tells the receiver what came already")
    assert lint_template("https://t.example/", {"Idempotency-Key": "{request}"}) == []
