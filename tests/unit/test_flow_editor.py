"""The pure parts of the flow editor: what it says of a config, how two edits meet, how versions differ."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.templates.segments import text_of
from app.web.flows.checks import Checks, check, check_text
from app.web.flows.difference import difference, laid_out
from app.web.flows.draft import NEW, opened, sent
from app.web.flows.form import edited, form_of
from app.web.flows.merge import GONE, Clash, merged
from app.web.flows.sample import sample_lead

NOW_MS = 1_795_521_600_000
NO_SECRETS: dict[str, str] = {}
SAMPLE = sample_lead("F-1", NOW_MS)


def checked(config: dict[str, Any], given: dict[str, str] | None = None) -> Checks:
    secrets = {"k": "sesame"}
    return check(edited(config, given or {}), secrets.get, SAMPLE, NOW_MS)


def test_each_fault_is_told_at_its_field_and_hides_no_other_preview() -> None:
    config = {
        "flow_id": "F-1",
        "postbacks": [
            {"id": "a", "on": ["new"], "template": "https://t.example/?c={clikc|sha265}&d={click|sha265}"},
            {"id": "b", "on": ["nwe"], "template": "https://t.example/"},
            {"id": "c", "on": ["approve"], "template": "https://t.example/?s={status}", "timeout_s": 99},
            {"id": "d", "on": ["approve"], "template": "https://t.example/?s={status}"},
            {"id": "d", "on": ["approve"], "template": "https://t.example/?k={clik}"},
        ],
    }
    checks = checked(config)
    assert [(note.field, note.place) for note in checks.faults] == [
        ("p0.template", "postbacks[0].template"),
        ("p1.on", "postbacks[1].on[0]"),
        ("p2.timeout_s", "postbacks[2].timeout_s"),
    ]
    assert "sha256" in checks.faults[0].text
    assert "new" in checks.faults[1].text
    assert [one.request is not None for one in checks.previews] == [False, False, False, True, True]
    assert text_of(checks.previews[3].request.link) == "https://t.example/?s=approve"  # type: ignore[union-attr]
    assert any("click" in note.text and note.field == "p4.template" for note in checks.warnings)
    for postback in config["postbacks"][:3]:
        postback |= {"on": ["new"], "template": "https://t.example/", "timeout_s": 9}  # type: ignore[operator]
    [twice] = checked(config).faults
    assert (twice.field, "postbacks[3]" in twice.text) == ("p4.id", True)


def test_what_a_real_lead_lacks_is_doubtful_what_the_sample_lacks_is_not() -> None:
    config = {"flow_id": "F-1", "postbacks": {"approve": "https://t.example/?g={gclid}&c={click}"}}
    assert checked(config).warnings == []
    real = replace(SAMPLE, is_real=True)
    [note] = check(edited(config, {}), NO_SECRETS.get, real, NOW_MS).warnings
    assert (note.field, note.place) == ("p0.template", "postbacks.approve.template")
    assert note.text.startswith("{gclid} has no value for this lead, g at 21")


def test_a_field_that_cannot_be_read_is_told_and_nothing_is_made_of_it() -> None:
    config = {"flow_id": "F-1", "postbacks": [{"id": "a", "on": ["new"], "template": "https://t.example/"}]}
    checks = checked(config, {"p0.when": '{"geo": ["UA"', "p0.headers": "no colon"})
    assert [note.field for note in checks.faults] == ["p0.when", "p0.headers"]
    assert checks.flow is None
    assert checks.previews[0].request is not None


def test_a_preview_is_what_goes_out_with_secrets_masked() -> None:
    config = {
        "flow_id": "F-1", "params": {"pixel": 123},
        "postbacks": [
            {"id": "a", "on": ["goal:dep"], "sign_with": "k", "idempotency_header": "X-Id",
             "when": {"geo": "PL"}, "headers": {"Authorization": "Bearer {secret.k}"},
             "template": "https://t.example/{param.pixel}?k={secret.k}&g={goal}&e={event}&n={meta.no}"},
        ],
    }  # fmt: skip
    [preview] = checked(config).previews
    assert preview.request is not None
    assert text_of(preview.request.link) == "https://t.example/123?k=•••&g=dep&e=goal%3Adep&n="
    headers = {name: text_of(value) for name, value in preview.request.headers.items()}
    assert headers["Authorization"] == "Bearer •••"
    assert len(headers["X-Id"]) == 32
    assert headers["webhook-signature"] == "•••"
    assert preview.request.missing == ["{meta.no}"]
    assert preview.unsent == "condition: geo"


def test_text_that_is_no_config_is_told_with_its_place() -> None:
    assert check_text('{"flow_id": "F-1",', NO_SECRETS.get, SAMPLE, NOW_MS).faults[0].field == "config"
    assert check_text("[1]", NO_SECRETS.get, SAMPLE, NOW_MS).faults
    twice = '{"flow_id":"F-1","postbacks":{"new":"https://a.example/","new":"https://b.example/"}}'
    assert "twice" in check_text(twice, NO_SECRETS.get, SAMPLE, NOW_MS).faults[0].text


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: (
        st.lists(one, max_size=3)
        | st.dictionaries(st.sampled_from(["on", "id", "template", "postbacks", "retry", "when", "x"]), one)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["flow_id", "postbacks", "params", "enabled"]), _anything))
def test_no_config_keeps_the_checks_from_being_made(config: dict[str, Any]) -> None:
    text = json.dumps(config)
    checks = check_text(text, NO_SECRETS.get, SAMPLE, NOW_MS)
    assert (checks.flow is None) == bool(checks.faults)
    if form_of(config) is not None:
        assert (checked(config).flow is None) == bool(checked(config).faults)


def test_two_edits_of_different_things_are_both_kept() -> None:
    one, two = {"id": "x", "template": "1"}, {"id": "y", "template": "1"}
    base = {"flow_id": "F", "name": "a", "postbacks": [one, two]}
    theirs = {**base, "name": "b", "postbacks": [{"id": "x", "template": "2"}, two]}
    mine = {**base, "postbacks": [one, {"id": "z", "template": "3"}]}
    value, clashes = merged(base, theirs, mine)
    assert clashes == []
    assert value == {
        "flow_id": "F", "name": "b", "postbacks": [{"id": "x", "template": "2"}, {"id": "z", "template": "3"}]
    }  # fmt: skip


def test_what_both_changed_is_mine_and_is_said() -> None:
    base = {"flow_id": "F", "postbacks": {"new": "1", "hold": "1"}}
    theirs = {"flow_id": "F", "postbacks": {"new": "2"}}
    mine = {"flow_id": "F", "postbacks": {"new": "3", "hold": "4"}}
    value, clashes = merged(base, theirs, mine)
    assert value == mine
    assert clashes == [Clash("postbacks.new", "2", "3"), Clash("postbacks.hold", GONE, "4")]


@given(_anything, _anything)
def test_an_edit_that_met_nobody_is_what_it_was(base: Any, mine: Any) -> None:
    assert merged(base, base, mine) == (mine, [])
    assert merged(base, mine, base) == (mine, [])
    assert merged(base, mine, mine) == (mine, [])


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_a_difference_turns_one_into_the_other(before: list[str], after: list[str]) -> None:
    old, new = ({"x": {f"{at}{one}": one for at, one in enumerate(letters)}} for letters in (before, after))
    lines = difference(json.dumps(old), json.dumps(new))
    assert (not lines) == (old == new)
    left, right = laid_out(json.dumps(old)).splitlines(), laid_out(json.dumps(new)).splitlines()
    removed = [line.text for line in lines if line.kind == "removed"]
    added = [line.text for line in lines if line.kind == "added"]
    assert len(left) - len(removed) == len(right) - len(added)
    assert all(text in left for text in removed)
    assert all(text in right for text in added)


def test_a_config_that_was_only_opened_is_sent_back_byte_for_byte() -> None:
    text = (
        '{"flow_id":"F-1",\r\n  "postbacks": {"new" : "https://t.example/|POST|a=\\u0031&\\r\\nb={id}" } }\n'
    )
    draft = opened("F-1", 4, text, "form", "")
    assert draft.form is not None
    pairs = [("version", "4"), ("base", text.replace("\r\n", "\n").replace("\n", "\r\n")), ("draft", text)]
    pairs += list(draft.form.texts.items())
    assert sent("F-1", pairs, {4: text}).text == text
    pairs = [("version", "4"), ("base", text), ("config", text.replace("\r\n", "\n").replace("\n", "\r\n"))]
    assert sent("F-1", pairs, {4: text}).text == text


def test_a_new_flow_is_written_in_the_short_form() -> None:
    pairs = [
        ("version", ""),
        ("draft", NEW),
        ("base", NEW),
        ("flow_id", " F-9 "),
        ("add.new", "https://t.example/"),
    ]
    made = json.loads(sent("", pairs, {}).text)
    assert made == {"flow_id": "F-9", "postbacks": {"new": "https://t.example/"}}
