"""Flow configs: both forms, what each key may hold, and where and why a config is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.flows.config import Flow, FlowFault, parse
from app.flows.postback import slug_of
from app.flows.verdict import Verdict

LINK = "https://t.example/p?c={click}"
CONTRACT: dict[str, Any] = {
    "flow_id": "F-7",
    "name": "Summer UA",
    "enabled": True,
    "params": {"pixel": "123"},
    "log_skips": "fired",
    "postbacks": [
        {
            "id": "fb",
            "name": "Facebook pixel",
            "on": ["new"],
            "template": 'https://graph.facebook.com/v26.0/{param.pixel}/events|JSON|{"id":"{id}"}',
            "enabled": True,
            "require": ["click"],
            "when": {"geo": ["UA", "PL"], "price": {"min": 1}},
            "repeat": "on_change",
            "headers": {"Authorization": "Bearer {secret.fb}"},
            "omit_empty": True,
            "mask": True,
            "delay_s": 90,
            "timeout_s": 10,
            "retry": {"max_attempts": 12, "deadline_s": 86400, "waits_s": [5, 300, 1800]},
            "on_newer": "send",
            "verdict": [{"status": "200", "json": "code", "not": 0, "then": "final"}],
            "rate_limit_per_s": 2.5,
            "idempotency_header": None,
            "sign_with": None,
        }
    ],
}


def flow_of(**changes: Any) -> Flow:
    return parse(json.dumps({"flow_id": "F", **changes}).encode(), version=7)


def postback(**fields: Any) -> dict[str, Any]:
    return {"id": "p", "on": ["new"], "template": LINK, **fields}


def fault_of(value: bytes) -> FlowFault:
    with pytest.raises(FlowFault) as raised:
        parse(value)
    return raised.value


def refused(**changes: Any) -> FlowFault:
    return fault_of(json.dumps({"flow_id": "F", **changes}).encode())


def test_the_config_of_the_contract_is_read() -> None:
    flow = parse(json.dumps(CONTRACT).encode(), version=7)
    (fb,) = flow.postbacks
    assert (flow.flow_id, flow.name, flow.enabled, flow.version) == ("F-7", "Summer UA", True, 7)
    assert (flow.params, flow.log_skips) == ({"pixel": "123"}, "fired")
    assert (fb.id, fb.name, fb.on, fb.require) == ("fb", "Facebook pixel", ("new",), ("click",))
    assert (fb.delivery.timeout_s, fb.delivery.max_attempts, fb.delivery.deadline_s) == (10, 12, 86400)
    assert (list(fb.delivery.waits_s), fb.delay_s) == ([5, 300, 1800], 90)
    assert [one.field for one in fb.when] == ["geo", "price"]
    assert fb.delivery.verdict == (Verdict(then="final", status="200", json="code", not_=(0,)),)
    assert fb.program.host == "graph.facebook.com"


def test_what_is_left_out_has_the_contract_s_defaults() -> None:
    flow = flow_of(postbacks=[postback()])
    (one,) = flow.postbacks
    assert (flow.name, flow.enabled, flow.log_skips) == ("F", True, "fired")
    assert (one.enabled, one.repeat, one.omit_empty, one.delivery.mask) == (True, "on_change", False, True)
    assert (one.delivery.timeout_s, one.delivery.max_attempts, one.delivery.deadline_s) == (
        10.0,
        8,
        259_200.0,
    )
    assert (one.delivery.waits_s, one.delay_s) == ((), 0.0)
    assert flow_of().postbacks == ()


def test_the_short_form_makes_a_postback_of_each_link() -> None:
    flow = flow_of(
        postbacks={"new": LINK, "approve": [LINK, f"{LINK}|JSON|{{}}"], "goal:dep": [LINK], "wait": LINK}
    )
    made = [(one.id, one.on) for one in flow.postbacks]
    assert made == [
        ("new", ("new",)),
        ("approve", ("approve",)),
        ("approve-2", ("approve",)),
        ("goal:dep", ("goal:dep",)),
        ("wait", ("new",)),
    ]


def test_without_an_id_the_slug_of_the_name_is_one() -> None:
    named = [{**postback(), "name": name} for name in ("Facebook pixel", "Фейсбук №2!")]
    for one in named:
        del one["id"]
    assert [one.id for one in flow_of(postbacks=named).postbacks] == ["facebook-pixel", "фейсбук-2"]
    assert slug_of(" --A_b  c-- ") == "a-b-c"


def test_wait_is_read_as_new_and_an_entry_counts_once() -> None:
    (one,) = flow_of(postbacks=[postback(on=["wait", "new", "goal:a", "goal", "price", "any"])]).postbacks
    assert one.on == ("new", "goal:a", "goal", "price", "any")


def test_a_blank_name_or_id_counts_as_missing() -> None:
    flow = flow_of(name=" ", postbacks=[postback(id="", name="A b", repeat="")])
    assert (flow.name, flow.postbacks[0].id, flow.postbacks[0].repeat) == ("F", "a-b", "on_change")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "expected an object, got an array"),
        (b"null", "expected an object, got null"),
        (b'{"flow_id":' * 5000, "nested deeper than 64"),
        (b'{"flow_id":"F","params":{"a":NaN}}', "NaN"),
        (b'{"flow_id":"F","flow_id":"G"}', "flow_id: this key stands twice"),
        (
            b'{"flow_id":"F","postbacks":{"new":"https://a/","new":"https://b/"}}',
            "postbacks.new: this key stands twice",
        ),
        (b'{"flow_id":"' + b"x" * 1_100_000 + b'"}', "over the limit of 1048576"),
    ],
)
def test_what_is_no_config_at_all_is_refused_with_its_reason(value: bytes, said: str) -> None:
    assert said in str(fault_of(value))


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"flow_id": None}, "flow_id", "expected a text"),
        ({"flow_id": " "}, "flow_id", "missing"),
        ({"flow_id": "a\n"}, "flow_id", "line breaks"),
        ({"flow_id": " a"}, "flow_id", "white space"),
        ({"flow_id": "x" * 201}, "flow_id", "over the limit of 200"),
        ({"name": 5}, "name", "expected a text, got a number"),
        ({"enabled": "yes"}, "enabled", "expected true or false, got a text"),
        ({"enabled": 1}, "enabled", "expected true or false"),
        ({"log_skips": "none"}, "log_skips", 'unknown "none"'),
        ({"log_skip": "all"}, "log_skip", "did you mean log_skips?"),
        ({"params": []}, "params", "expected an object"),
        ({"params": {"a": {}}}, "params.a", "expected a text, a number, a boolean or null, got an object"),
        ({"params": {"a b": 1}}, "params.a b", "a parameter is named"),
        ({"params": {"a": 2**64}}, "params.a", "an integer outside"),
        ({"postbacks": "https://a/"}, "postbacks", "expected a list of postbacks or an object of links"),
        ({"postbacks": None}, "postbacks", "got null"),
        ({"postbacks": {"sale": LINK}}, "postbacks.sale", 'unknown event "sale"'),
        ({"postbacks": {"aprove": LINK}}, "postbacks.aprove", "did you mean approve?"),
        ({"postbacks": {"new": {}}}, "postbacks.new", "expected a text, got an object"),
        ({"postbacks": {"new": []}}, "postbacks.new", "an empty list"),
        ({"postbacks": {"new": [LINK, 5]}}, "postbacks.new[1]", "expected a text, got a number"),
        ({"postbacks": {"new": "ftp://a/"}}, "postbacks.new", ""),
        ({"postbacks": [5]}, "postbacks[0]", "expected an object, got a number"),
        (
            {"postbacks": [postback(), postback()]},
            "postbacks[1].id",
            '"p" is the id of postbacks[0] too',
        ),
    ],
)
def test_a_flow_is_refused_with_the_place_and_the_reason(
    changes: dict[str, Any], place: str, said: str
) -> None:
    fault = refused(**changes)
    assert (fault.place, said in fault.reason) == (place, True), str(fault)


@pytest.mark.parametrize(
    ("fields", "place", "said"),
    [
        ({"on": ...}, ".on", "missing"),
        ({"template": ...}, ".template", "missing"),
        ({"template": "  "}, ".template", "missing"),
        ({"id": ...}, "", "needs an id or a name"),
        ({"id": ..., "name": "!!!"}, ".id", "no letter or digit"),
        ({"on": "new"}, ".on", 'expected a list of events such as ["new"], got a text'),
        ({"on": []}, ".on", "an empty list"),
        ({"on": ["new", "aprove"]}, ".on[1]", "did you mean approve?"),
        ({"on": ["goal:"]}, ".on[0]", "unknown event"),
        ({"on": [1]}, ".on[0]", "expected a text"),
        ({"tempalte": "x"}, ".tempalte", "did you mean template?"),
        ({"template": "https://a/?x={id|lwer}"}, ".template", "lower"),
        ({"template": "https://{click}/"}, ".template", "in its link part, at character"),
        ({"template": LINK + '|JSON|{"a":'}, ".template", "in its json part"),
        ({"headers": {"X": "{click|nope}"}}, ".headers", "X"),
        ({"headers": {"A b": "x"}}, ".headers.A b", "is no header name"),
        ({"headers": {"X": 5}}, ".headers.X", "expected a text"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, ".headers.x-a", "this header stands twice"),
        ({"headers": {"Content-Length": "1"}}, ".headers.Content-Length", "link and the body"),
        ({"enabled": None}, ".enabled", "expected true or false, got null"),
        ({"repeat": "never"}, ".repeat", "Known are on_change, always"),
        ({"omit_empty": 1}, ".omit_empty", "expected true or false"),
        ({"mask": "no"}, ".mask", "expected true or false"),
        ({"timeout_s": 0.5}, ".timeout_s", "0.5 is not within 1 … 30 seconds"),
        ({"timeout_s": 31}, ".timeout_s", "not within"),
        ({"timeout_s": "10"}, ".timeout_s", "expected a number, got a text"),
        ({"timeout_s": True}, ".timeout_s", "expected a number, got a boolean"),
        ({"retry": {"max_attempts": 0}}, ".retry.max_attempts", "0 is not within"),
        ({"retry": {"max_attempts": 2.5}}, ".retry.max_attempts", "expected a whole number, got 2.5"),
        ({"retry": {"deadline_s": 0}}, ".retry.deadline_s", "no time"),
        ({"retry": {"deadline_s": -1}}, ".retry.deadline_s", "not within"),
        ({"retry": {"max_atempts": 1}}, ".retry.max_atempts", "did you mean max_attempts?"),
        ({"retry": {"waits_s": []}}, ".retry.waits_s", "an empty list"),
        ({"retry": {"waits_s": 5}}, ".retry.waits_s", "expected a list"),
        ({"retry": {"waits_s": [5, 0.5]}}, ".retry.waits_s[1]", "0.5 is not within 1 … 2592000 seconds"),
        ({"retry": {"waits_s": [1] * 101}}, ".retry.waits_s", "101 waits, over the limit of 100"),
        ({"delay_s": -1}, ".delay_s", "not within"),
        ({"delay_s": False}, ".delay_s", "expected a number, got a boolean"),
        ({"delay_s": 61, "retry": {"deadline_s": 60}}, ".delay_s", "61 is beyond retry.deadline_s (60)"),
        ({"delay_s": 30 * 86_400}, ".delay_s", "is beyond retry.deadline_s (259200)"),
        ({"on_newer": "keep"}, ".on_newer", "send"),
        ({"rate_limit_per_s": 0}, ".rate_limit_per_s", "0 is not within 0.001 … 10000 a second"),
        ({"rate_limit_per_s": "5"}, ".rate_limit_per_s", "expected a number"),
        ({"idempotency_header": "a b"}, ".idempotency_header", "no header name"),
        ({"idempotency_header": "Host"}, ".idempotency_header", "take a name such as Idempotency-Key"),
        ({"idempotency_header": "content-type"}, ".idempotency_header", "take a name such as"),
        (
            {"idempotency_header": "x-ID", "headers": {"X-Id": "1"}},
            ".idempotency_header",
            "stands in headers too",
        ),
        (
            {"idempotency_header": "Webhook-Id", "sign_with": "s"},
            ".idempotency_header",
            "webhook-id is the request's id already",
        ),
        (
            {"headers": {"Webhook-Signature": "x"}, "sign_with": "s"},
            ".headers.Webhook-Signature",
            "sign_with writes this header",
        ),
        ({"sign_with": "{secret.s}"}, ".sign_with", "write the NAME of {secret.NAME} alone"),
        ({"sign_with": ".."}, ".sign_with", "no name of a secret"),
        ({"sign_with": 5}, ".sign_with", "expected a text, got a number"),
        ({"require": "click"}, ".require", "expected a list"),
        ({"require": ["click", "meta"]}, ".require[1]", "unknown macro"),
        ({"require": ["email|"]}, ".require[0]", "unknown macro"),
        ({"require": ["email|secret.fb"]}, ".require[0]", "looked up at sending"),
        ({"require": ["{click}"]}, ".require[0]", "did you mean click?"),
        ({"require": ["secret.fb"]}, ".require[0]", "looked up at sending"),
        ({"when": []}, ".when", "expected an object"),
        ({"when": {"country": "UA"}}, ".when.country", "unknown field"),
        ({"when": {"utm_sorce": "fb"}}, ".when.utm_sorce", "did you mean utm_source?"),
        ({"when": {"tag.": "fb"}}, ".when.tag.", "unknown field"),
        ({"when": {"geo": []}}, ".when.geo", "an empty list"),
        ({"when": {"geo": [["UA"]]}}, ".when.geo[0]", "expected a text"),
        ({"when": {"geo": {}}}, ".when.geo", "expected a value"),
        ({"when": {"geo": {"is": "UA"}}}, ".when.geo.is", "unknown key"),
        ({"when": {"price": {"min": "1"}}}, ".when.price.min", "expected a number, got a text"),
        ({"when": {"price": {"min": 2, "max": 1}}}, ".when.price", "never hold"),
        ({"when": {"geo": {"not": []}}}, ".when.geo.not", "an empty list"),
        ({"verdict": {}}, ".verdict", "expected a list of rules"),
        ({"verdict": [{"status": "200"}]}, ".verdict[0].then", "missing"),
        ({"verdict": [{"then": "ok"}]}, ".verdict[0]", "a rule needs"),
        ({"verdict": [{"status": "2x", "then": "ok"}]}, ".verdict[0].status", "is no status"),
        ({"verdict": [{"status": "200", "then": "good"}]}, ".verdict[0].then", "Known are ok, retry"),
        ({"verdict": [{"status": "200", "is": 1, "then": "ok"}]}, ".verdict[0].is", "neither is named"),
        ({"verdict": [{"json": "a..b", "then": "ok"}]}, ".verdict[0].json", "is no path"),
        ({"verdict": [{"json": "a", "header": "X", "then": "ok"}]}, ".verdict[0]", "two rules"),
        ({"verdict": [{"header": "a b", "then": "ok"}]}, ".verdict[0].header", "is no header name"),
        ({"verdict": [{"match": "(", "then": "ok"}]}, ".verdict[0].match", "no regular expression"),
        ({"verdict": [{"match": r"(a)\1", "then": "ok"}]}, ".verdict[0].match", "invalid escape sequence"),
        ({"verdict": [{"match": "(?=a)", "then": "ok"}]}, ".verdict[0].match", "invalid perl operator"),
        (
            {"verdict": [{"status": "429", "retry_after": "wait", "then": "retry"}]},
            ".verdict[0].retry_after",
            "only a throttle waits",
        ),
        (
            {"verdict": [{"status": "429", "retry_after": "a..b", "then": "throttle"}]},
            ".verdict[0].retry_after",
            "is no path",
        ),
        ({"verdict": [{"match": "a" * 501, "then": "ok"}]}, ".verdict[0].match", "over the limit of 500"),
    ],
)
def test_a_postback_is_refused_with_the_place_and_the_reason(
    fields: dict[str, Any], place: str, said: str
) -> None:
    told = {key: value for key, value in postback(**fields).items() if value is not ...}
    fault = refused(postbacks=[postback(id="first"), told])
    assert (fault.place, said in fault.reason) == (f"postbacks[1]{place}", True), str(fault)


def test_null_asks_for_no_rate_no_signature_and_no_header() -> None:
    [read] = flow_of(
        postbacks=[postback(rate_limit_per_s=None, sign_with=None, idempotency_header=None)]
    ).postbacks
    assert (read.delivery.rate_limit_per_s, read.delivery.sign_with, read.delivery.idempotency_header) == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "match",
    [
        "code=0",
        r"^\s*OK\b",
        "(?i)error|fail",
        r'"status"\s*:\s*"(ok|done)"',
        "a{1,5}b+",
        "(ab){2}c*",
        "(a+)+$",
    ],
)
def test_a_regular_expression_that_ends_is_taken(match: str) -> None:
    (one,) = flow_of(postbacks=[postback(verdict=[{"match": match, "then": "ok"}])]).postbacks
    assert one.delivery.verdict[0].match == match


def test_a_token_that_the_template_writes_is_known_to_its_postback() -> None:
    (one,) = flow_of(postbacks={"new": "https://t.example/?token=T|x&key={click}&id={id}"}).postbacks
    assert one.delivery.tokens == ("T|x",)


def test_how_a_receiver_knows_a_request_again_is_read() -> None:
    one = flow_of(postbacks=[postback(idempotency_header="Idempotency-Key", sign_with="hook.v2")]).postbacks[
        0
    ]
    assert (one.delivery.idempotency_header, one.delivery.sign_with) == ("Idempotency-Key", "hook.v2")
    other = flow_of(postbacks=[postback(idempotency_header="Webhook-Id")]).postbacks[0]
    assert (other.delivery.idempotency_header, other.delivery.sign_with) == ("Webhook-Id", None)
