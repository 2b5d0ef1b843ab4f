"""What lint says about flows that are valid but may not do what their author means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.flows.config import FlowFault, parse
from app.flows.lint import lint
from app.flows.lint_lead import lint_for_lead
from app.presets.catalogue import presets
from app.presets.fill import add
from app.web.flows.sample import facts_for, sample_lead

_AT_MS = 1_795_446_000_000
LINK = "https://t.example/p?c={click}"


def said(*postbacks: Any, secrets: Mapping[str, str] | None = None, **flow: Any) -> list[tuple[str, str]]:
    """The warnings as place and text."""
    told = {"flow_id": "F", "postbacks": list(postbacks), **flow}
    return [(warning.place, warning.text) for warning in lint(json.dumps(told).encode(), (secrets or {}).get)]


def postback(**fields: Any) -> dict[str, Any]:
    return {"id": "p", "on": ["new"], "template": LINK, **fields}


def test_a_flow_that_does_what_it_says_has_no_warnings() -> None:
    told = postback(headers={"Authorization": "Bearer {secret.fb}"}, require=["click"])
    assert said(told, postback(id="q", on=["approve", "price"], template=LINK + "&p={price}")) == []


def test_a_config_that_is_refused_is_refused_here_too() -> None:
    with pytest.raises(FlowFault):
        lint(b"{}", lambda _: None)


@pytest.mark.parametrize("template", ["https://t.example/?token=T", "https://t.example/bot12:AA/x"])
def test_a_token_in_a_link_belongs_into_a_secret(template: str) -> None:
    ((place, text),) = said(postback(template=template))
    assert place == "postbacks[0].template"
    assert "put it into a secret" in text
    assert said(postback(template="https://t.example/?key={click}|POST|token={secret.t}")) == []


def test_a_token_in_a_header_belongs_into_a_secret() -> None:
    ((place, text),) = said(postback(headers={"Authorization": "Bearer abc"}))
    assert place == "postbacks[0].headers.Authorization"
    assert "put it into a secret" in text


def test_an_unknown_macro_is_named_with_the_nearest() -> None:
    ((place, text),) = said(postback(template="https://t.example/?c={clik}"))
    assert place == "postbacks[0].template"
    assert "{clik}" in text
    assert "{click}" in text


def test_places_in_the_short_form_are_its_own() -> None:
    warnings = said(
        postbacks={
            "new": LINK,
            "approve": [LINK, "https://t.example/?c={clik}"],
            "hold": "https://t.example/?c={clic}",
        }
    )
    assert [place for place, _ in warnings] == ["postbacks.approve[1]", "postbacks.hold"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"on": ["goal"]}, "goal may come again"),
        ({"on": ["new", "goal:dep"]}, "goal:dep may come again"),
        ({"on": ["any"]}, "any may come again"),
        ({"on": ["new"], "repeat": "always"}, "repeat is always"),
        ({"on": ["goal"], "repeat": "always"}, "add {event_id}"),
        ({"on": ["goal"], "template": LINK + "&e={event_id}"}, "{event_id} alone makes no request differ"),
        ({"on": ["goal"], "template": LINK + "&t={time}"}, "goal may come again"),
        ({"on": ["price"]}, "add {price}"),
        ({"on": ["price"], "template": LINK + "&e={event_id}"}, "add {price}"),
    ],
)
def test_an_event_that_comes_again_needs_something_that_tells_the_two_apart(
    fields: dict[str, Any], words: str
) -> None:
    ((_, text),) = said(postback(**fields))
    assert words in text


@pytest.mark.parametrize(
    "fields",
    [
        {"on": ["goal"], "template": LINK + "&t={event_id|sha256}", "repeat": "always"},
        {"on": ["goal"], "template": LINK + "&t={event_id}", "repeat": "on_change"},
        {"on": ["new"], "template": LINK + "&r={random}", "repeat": "always"},
        {"on": ["price"], "template": LINK + "&p={cash}"},
    ],
)
def test_what_tells_the_two_apart_silences_the_warning(fields: dict[str, Any]) -> None:
    assert said(postback(**fields)) == []


def test_an_enabled_flow_that_sends_nothing_is_pointed_out() -> None:
    assert "the flow has no postbacks" in said()[0][1]
    assert "all postbacks are disabled" in said(postback(enabled=False))[0][1]
    assert said(enabled=False) == []


def test_a_required_macro_that_can_never_have_a_value_is_pointed_out() -> None:
    required = ["param.a", "geo", "tag.subid", "clik", "param.a|clik"]
    told = postback(require=required, when={"geo": None, "subid": [None]})
    warnings = dict(said(told, params={"a": None}))
    assert "params has no a" in warnings["postbacks[0].require[0]"]
    assert "a lead without geo" in warnings["postbacks[0].require[1]"]
    assert "a lead without tag.subid" in warnings["postbacks[0].require[2]"]
    assert "did you mean click?" in warnings["postbacks[0].require[3]"]
    assert "postbacks[0].require[4]" not in warnings


def test_a_parameter_that_the_flow_lacks_is_pointed_out() -> None:
    template = "https://t.example/{param.pixel}"
    assert said(postback(template=template), params={"pixel": "1"}) == []
    ((_, text),) = said(postback(template=template))
    assert "{param.pixel} is always empty" in text


_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "secret hook is not set here"),
        ({"hook": "whsec_???"}, "secret hook cannot sign: what follows whsec_ is not base64"),
        ({"hook": "short"}, "secret hook has a key of 5 bytes; Standard Webhooks asks for 24"),
        ({"hook": f"{_KEY} short"}, "a key of 5 bytes"),
        ({"hook": _KEY.removeprefix("whsec_")}, "looks like base64 but is taken as it stands"),
    ],
)
def test_a_secret_that_cannot_sign_or_not_well_is_told(secrets: dict[str, str], words: str) -> None:
    ((place, text),) = said(postback(sign_with="hook"), secrets=secrets)
    assert place == "postbacks[0].sign_with"
    assert words in text
    assert not any(value in text for value in secrets.values())


def test_a_good_secret_to_sign_with_has_no_warning() -> None:
    assert said(postback(sign_with="hook"), secrets={"hook": f"{_KEY} {_KEY}"}) == []


@pytest.mark.parametrize(
    ("on", "macro", "words"),
    [
        (["new", "hold", "approve"], "{status|map:new=lead,approve=sale}", "nothing for hold"),
        (["any"], "{stage|trim|map:approve=1}", "nothing for new, hold, cancel, trash"),
        (["approve", "goal"], "{event|map:approve=sale}", "nothing for goal"),
        (["approve"], "{status|map:aproved=sale,*=lead}", "maps aproved, which no lead's status is"),
        (["new"], "{status|map:wait=1,*=2}", "wait is read as new"),
    ],
)
def test_a_map_that_misses_a_status_is_doubtful(on: list[str], macro: str, words: str) -> None:
    fields = {"on": on, "template": f"https://t.example/?e={{event_id}}&s={macro}", "repeat": "always"}
    ((place, text),) = said(postback(**fields))
    assert place == "postbacks[0].template"
    assert words in text
    assert f"{macro} at 34" in text


@pytest.mark.parametrize(
    ("on", "macro"),
    [
        (["new", "approve"], "{status|map:new=lead,approve=sale}"),
        (["any"], "{status|map:approve=sale,*=lead}"),
        (["goal", "price"], "{status|map:approve=sale}"),
        (["new", "hold"], "{status|substr:0,1|map:n=1,h=2}"),
        (["new", "hold"], "{geo|map:UA=1}"),
        (["goal:dep"], "{event|map:goal\\:dep=1}"),
    ],
)
def test_a_map_that_has_them_all_is_not(on: list[str], macro: str) -> None:
    fields = {"on": on, "template": f"https://t.example/?p={{price}}&s={macro}", "repeat": "on_change"}
    assert said(postback(**fields)) == []


_ROOT = Path(__file__).parents[2]
_TOLD_OF_THE_DEMO = ("what looks like a token", "the white space at 103 is dropped")


def _shipped() -> Iterator[tuple[str, bytes]]:
    """The flows of the demo, the README and the presets."""
    for file in sorted((_ROOT / "app/demo/flows").glob("*.json")):
        yield file.stem, file.read_bytes()
    readme = (_ROOT / "README.md").read_text()
    for number, config in enumerate(
        re.findall(r'^```json\n(\{"flow_id".*?)^```$', readme, re.DOTALL | re.MULTILINE)
    ):
        if '"postbacks"' in config:
            yield f"readme-{number}", config.encode()
    for preset in presets().values():
        given = {param.name: param.example for param in preset.params}
        yield preset.id, json.dumps(add({"flow_id": "F-7", "postbacks": []}, preset, given).config).encode()


_SHIPPED = dict(_shipped())


@pytest.mark.parametrize("name", _SHIPPED)
def test_what_is_shipped_raises_no_alarm_for_a_lead_that_has_all(name: str) -> None:
    config = _SHIPPED[name]
    told = [
        warning.text
        for warning in lint(config, lambda _: "whsec_" + "A" * 44)
        if not warning.text.startswith(_TOLD_OF_THE_DEMO)
    ]
    flow = parse(config)
    sample = sample_lead(flow.flow_id, _AT_MS)
    for postback in flow.postbacks:
        _, facts = facts_for(sample, postback, flow, lambda _: "x", _AT_MS)
        told += [text for text in lint_for_lead(postback, facts) if "has no value" not in text]
    assert told == []


def test_there_are_shipped_flows() -> None:
    assert {"facebook", "readme-0", "telegram"} <= set(_SHIPPED)


def test_a_lead_without_a_value_is_news_unless_the_postback_says_what_then() -> None:
    def of(**fields: Any) -> list[str]:
        flow = parse(json.dumps({"flow_id": "F", "postbacks": [postback(**fields)]}).encode())
        _, facts = facts_for(sample_lead("F", _AT_MS), flow.postbacks[0], flow, lambda _: None, _AT_MS)
        return lint_for_lead(flow.postbacks[0], facts)

    link = "https://t.example/?a={gclid}&b={tag.none}&c={secret.s}"
    assert [text.partition(" has")[0] for text in of(template=link)] == ["{gclid}", "{tag.none}"]
    assert [text.partition(" has")[0] for text in of(template=link, require=["gclid|click"])] == [
        "{tag.none}"
    ]
    assert of(template=link, omit_empty=True) == []
