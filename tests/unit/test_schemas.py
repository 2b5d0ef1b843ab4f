"""The schemas are those of the types, their examples are read by the code, and both refuse the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from app.flows.config import FlowFault, parse
from app.leads.events import LeadEvent, decode
from app.messages.envelope import unpack
from app.messages.erasure import decode_erasure
from app.messages.record import LogRecord
from app.messages.request import Request
from app.messages.schemas import schemas, text_of
from app.messages.state import decode_state
from app.web.api.openapi import document
from app.web.api.table import ROUTES

FOLDER = Path(__file__).parents[2] / "schemas"
EXAMPLES = sorted((FOLDER / "examples").glob("*.json"))
MADE = schemas()
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in MADE.items()}


def test_the_files_are_those_that_the_types_make() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert files == {
        name: text_of(schema) for name, schema in (MADE | {"openapi": document(ROUTES)}).items()
    }, "run: postbacks schema --out schemas"


@pytest.mark.parametrize("name", sorted(MADE))
def test_every_schema_is_one_and_is_named_in_the_readme(name: str) -> None:
    Draft202012Validator.check_schema(MADE[name])
    assert f"`{name}.json`" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid_and_read_by_the_code(path: Path) -> None:
    name, value = path.stem.partition(".")[0], path.read_bytes()
    VALIDATORS[name].validate(json.loads(value))
    match name:
        case "lead-event":
            assert isinstance(decode(value), LeadEvent)
        case "flow-config":
            assert parse(value).postbacks
        case "postback-request":
            assert all(msgspec.json.decode(one, type=Request).request_id for one in unpack(value))
        case "postback-state":
            assert decode_state(value).why
        case "lead-erasure":
            assert decode_erasure(value).until
        case "postback-parked":
            assert msgspec.json.decode(value, type=Request).request_id
        case "postback-log":
            assert all(msgspec.json.decode(one, type=LogRecord).outcome for one in unpack(value))
        case _:
            pytest.fail(f"no reader for {name}")


def test_every_readable_value_has_an_example() -> None:
    assert {path.stem.partition(".")[0] for path in EXAMPLES} == {
        name for name in MADE if not name.endswith("-rejected")
    }


texts = st.sampled_from(["", " ", "a", "new", "2026-11-23", "2026-11-23T15:00:00.1+02:00", "20261123T1500Z"])
scalars = st.one_of(texts, st.integers(-5, 5), st.just(0.5), st.booleans(), st.none())
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(texts, scalars, max_size=2)
parts: st.SearchStrategy[Any] = values | st.dictionaries(
    st.sampled_from(["id", "ip", "name", "phone", "other"]), scalars | st.just([]), max_size=3
)
documents = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("event_id", "lead_id"), texts | values),
        "status": st.sampled_from(["new", "wait", "hold", "approve", "cancel", "trash", "sold"]) | values,
        "silent": st.booleans() | values,
        **dict.fromkeys(("flow_id", "goal", "currency", "reason", "uid", "price", "occurred_at"), values),
        **dict.fromkeys(("click", "tags", "customer", "meta", "other"), parts),
    },
)


@given(documents)
@settings(deadline=None, max_examples=300)
def test_the_schema_of_an_event_accepts_what_is_decoded_and_nothing_else(document: dict[str, Any]) -> None:
    accepted = VALIDATORS["lead-event"].is_valid(document)
    assert accepted is isinstance(decode(json.dumps(document).encode()), LeadEvent)


def sample() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / "examples" / "flow-config.list.json").read_bytes())
    return told


_BAD_WAITS = [[], [0.5], [5, "5"], 5, None, [5, 30 * 86_400 + 1], [1] * 101]
WRONG: dict[str, list[Any]] = {
    "on": [[], "new", ["sale"], [1]],
    "template": ["", 5, None],
    "timeout_s": [0, 31, "10", True],
    "retry": [{"max_attempts": 0}, {"deadline_s": 0}, {"x": 1}, *({"waits_s": w} for w in _BAD_WAITS)],
    "when": [{"country": "UA"}, {"geo": []}, {"geo": {"min": "1"}}, []],
    "verdict": [[{"status": "200"}], [{"status": "2x", "then": "ok"}], [{"status": 200, "then": "good"}], {}],
    "headers": [{"a b": "x"}, {"A": 1}, []],
    "repeat": ["never", None],
    "enabled": ["yes", 1, None],
    "require": ["click"],
    "delay_s": [-1, False, "5", None, 30 * 86_400 + 1],
    "on_newer": ["keep", None],
    "rate_limit_per_s": [0, "5", False, 10_001],
    "idempotency_header": ["a b", 1, "X: 1"],
    "sign_with": ["{secret.s}", "a/b", ".s", 5],
    "unheard_of": [1],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_what_the_schema_of_a_config_refuses_the_reader_refuses_too(key: str, value: Any) -> None:
    told = sample()
    told["postbacks"][0][key] = value
    assert not VALIDATORS["flow-config"].is_valid(told)
    with pytest.raises(FlowFault) as raised:
        parse(json.dumps(told).encode())
    assert raised.value.place.startswith(f"postbacks[0].{key}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("on", ["wait", "goal:a b", "price", "any"]),
        ("timeout_s", 1),
        ("timeout_s", 29.5),
        ("retry", {"max_attempts": 1, "deadline_s": 0.5, "waits_s": [1, 2.5, 30 * 86_400]}),
        ("when", {"geo": None, "tag.x": [1, "a", None, True], "meta.y": {"not": "z", "min": 1}}),
        ("verdict", [{"status": 200, "header": "X-A", "is": [None], "then": "stop"}]),
        ("verdict", [{"match": "ok", "then": "ok"}, {"json": "a", "is": "1", "not": 2, "then": "auth"}]),
        ("name", ""),
        ("delay_s", 0),
        ("delay_s", 90.5),
        ("rate_limit_per_s", 0.001),
        ("rate_limit_per_s", None),
        ("on_newer", "send"),
        ("on_newer", "drop"),
        ("sign_with", None),
        ("sign_with", "hook-2.v_1"),
        ("idempotency_header", "Idempotency-Key"),
    ],
)
def test_what_the_reader_takes_the_schema_of_a_config_takes_too(key: str, value: Any) -> None:
    told = sample()
    told["postbacks"][0][key] = value
    VALIDATORS["flow-config"].validate(told)
    assert parse(json.dumps(told).encode()).postbacks
