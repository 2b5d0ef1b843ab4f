"""A flow in the editor's form: opening and saving changes nothing, an edit changes what was edited alone."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from app.flows.config import parse
from app.flows.written import EVENTS
from app.web.flows.fields import plain
from app.web.flows.form import boxes_of, edited, form_of, given_of

texts = st.text(max_size=12)
words = st.text("abcXYZ09_-", min_size=1, max_size=8)
numbers = st.integers(-5, 10**6) | st.floats(0, 1e6, allow_nan=False)
sound = st.builds("https://t.example/{}?a={{click}}".format, words)
links = sound | texts
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(words, one, max_size=3)
)
events = st.sampled_from([*EVENTS, "wait", "goal:1", "goal:a b"])
postbacks = st.fixed_dictionaries(
    {"on": st.lists(events, min_size=1, max_size=3), "template": links},
    optional={
        "id": words, "name": texts, "enabled": st.booleans(), "require": st.lists(words, max_size=2),
        "when": st.dictionaries(st.sampled_from(["geo", "price", "tag.x"]), anything, max_size=2),
        "repeat": st.sampled_from(["on_change", "always"]),
        "headers": st.dictionaries(words, texts, max_size=2), "omit_empty": st.booleans(),
        "delay_s": numbers, "timeout_s": numbers, "rate_limit_per_s": st.none() | numbers,
        "retry": st.fixed_dictionaries(
            {}, optional={"max_attempts": numbers, "waits_s": st.lists(numbers, max_size=3)}
        ),
        "verdict": st.lists(st.just({"status": "200", "then": "ok"}), max_size=2),
        "idempotency_header": st.none() | words, "unknown": anything,
    },
)  # fmt: skip
configs = st.fixed_dictionaries(
    {"flow_id": words},
    optional={
        "name": texts, "enabled": st.booleans(), "params": st.dictionaries(words, scalars, max_size=3),
        "log_skips": st.sampled_from(["fired", "all"]),
        "postbacks": st.lists(postbacks, max_size=3)
        | st.dictionaries(events, links | st.lists(links, min_size=1, max_size=3), max_size=3),
    },
)  # fmt: skip


def sent(texts: dict[str, str]) -> dict[str, str]:
    """The fields as a browser sends them."""
    return {name: plain(text).replace("\n", "\r\n") for name, text in texts.items()}


@given(configs | anything | postbacks)
def test_opening_and_saving_changes_nothing(config: Any) -> None:
    form = form_of(config)
    if form is None:
        return
    fields = sent({**form.texts, **{f"add.{event}": "" for event in EVENTS}})
    after = edited(config, fields)
    assert (after.value, after.is_changed, after.wrong) == (config, False, [])
    assert list(json.dumps(after.value)) == list(json.dumps(config))


@given(configs, st.data())
def test_one_edited_link_changes_that_link_alone(config: dict[str, Any], data: st.DataObject) -> None:
    form = form_of(config)
    assume(form is not None and form.cards)
    assert form is not None
    card = data.draw(st.sampled_from(form.cards))
    fields = sent(form.texts) | {f"{card.key}.template": "https://new.example/{id}"}
    after = edited(config, fields)
    told = form_of(after.value)
    assert told is not None
    assert told.is_short == form.is_short
    changed = {name for name, text in told.texts.items() if text != form.texts[name]}
    assert changed <= {f"{card.key}.template"}
    assert told.texts[f"{card.key}.template"] == "https://new.example/{id}"


@given(configs, st.sampled_from(EVENTS))
def test_a_link_is_added_without_another_being_touched(config: dict[str, Any], event: str) -> None:
    form = form_of(config)
    assume(form is not None)
    assert form is not None
    after = edited(config, sent(form.texts) | {f"add.{event}": " https://new.example/ "})
    told = form_of(after.value)
    assert told is not None
    assert len(told.cards) == len(form.cards) + 1
    assert after.keys.count(f"add.{event}") == 1
    new = told.cards[after.keys.index(f"add.{event}")]
    assert (new.fields["template"], new.on) == ("https://new.example/", (event,))
    others = [card.fields["template"] for at, card in enumerate(told.cards) if after.keys[at][0] == "p"]
    assert sorted(others) == sorted(card.fields["template"] for card in form.cards)


@given(st.dictionaries(events, sound | st.lists(sound, min_size=1, max_size=3), min_size=1), st.data())
def test_a_detail_of_a_short_flow_makes_it_long_and_means_the_same(
    links: dict[str, Any], data: st.DataObject
) -> None:
    config = {"flow_id": "F-1", "postbacks": links}
    before = parse(json.dumps(config).encode())
    form = form_of(config)
    assert form is not None
    card = data.draw(st.sampled_from(form.cards))
    after = edited(config, sent(form.texts) | {f"{card.key}.timeout_s": "7"})
    now = parse(json.dumps(after.value).encode())
    assert [(one.id, one.on, one.template) for one in now.postbacks] == [
        (one.id, one.on, one.template) for one in before.postbacks
    ]
    assert [one["id"] for one in after.value["postbacks"] if one.get("timeout_s") == 7] == [card.id]


@given(configs)
def test_events_are_the_same_when_they_come_as_boxes(config: dict[str, Any]) -> None:
    form = form_of(config)
    assume(form is not None)
    assert form is not None
    pairs = [(name, text) for name, text in form.texts.items() if not name.endswith(".on")]
    for card in form.cards:
        pairs += [(f"{card.key}.event", event) for event in EVENTS if event in card.boxes]
        pairs += [(f"{card.key}.events", boxes_of(card.fields["on"])[1])]
    assert not edited(config, given_of(pairs, form)).is_changed
