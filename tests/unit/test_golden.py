"""What released versions wrote is read by this one as they meant it (`tests/golden`)."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from app.messages.schemas import schemas
from app.settings import Settings
from tests.golden.values import FOLDER, READERS, told

_VERSIONS = sorted(path for path in FOLDER.iterdir() if (path / "read.json").is_file())
_SCHEMAS = {
    "lead-events": "lead-event",
    "flow-configs": "flow-config",
    "lead-erasures": "lead-erasure",
    "postback-states": "postback-state",
    "postback-requests": "postback-request",
    "postback-parked": "postback-parked",
    "postback-log": "postback-log",
}


def _holds(found: Any, meant: Any) -> bool:
    """Whether everything that was meant is found; what is new since may be there too."""
    if isinstance(meant, dict):
        return isinstance(found, dict) and all(
            key in found and _holds(found[key], value) for key, value in meant.items()
        )
    if isinstance(meant, list):
        return len(found) == len(meant) and all(map(_holds, found, meant))
    return bool(found == meant)


def test_this_version_has_its_folder() -> None:
    assert version("postbacks") in {path.name for path in _VERSIONS}, "run: python -m tests.golden"


@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.parametrize("folder", _VERSIONS, ids=lambda path: path.name)
def test_a_stored_value_is_read_as_it_was_meant(folder: Path, name: str) -> None:
    value, meant = (folder / name).read_bytes(), json.loads((folder / "read.json").read_bytes())[name]
    assert _holds(told(READERS[name](value)), meant)
    assert not _holds(told(READERS[name](value)), _changed(meant)), "the comparison sees nothing"


def _changed(meant: Any) -> Any:
    """The same with one value in it, deep down, another."""
    if isinstance(meant, dict):
        first, *_ = sorted(meant, key=lambda key: isinstance(meant[key], (dict, list)), reverse=True)
        return meant | {first: _changed(meant[first])}
    return [_changed(meant[0]), *meant[1:]] if isinstance(meant, list) and meant else "something else"


@pytest.mark.parametrize("folder", _VERSIONS, ids=lambda path: path.name)
def test_a_stored_value_is_valid_by_the_schema_of_today(folder: Path) -> None:
    made = schemas()
    for topic, schema in _SCHEMAS.items():
        Draft202012Validator(made[schema]).validate(json.loads((folder / f"{topic}.json").read_bytes()))


def test_every_topic_whose_values_are_ours_has_its_file() -> None:
    topics = Settings().topics
    ours = {topic.name.removeprefix("postbacks.") for topic in topics.all() if topic not in _tiers()}
    kept = {name.partition(".")[0] for name in READERS}
    assert {name for name in ours if "changelog" not in name and "rejected" not in name} <= kept
    assert sum("changelog" in name for name in ours) == sum("changelog" in name for name in kept)


def _tiers() -> list[Any]:
    """Those hold what `postback-requests` holds."""
    return [tier.topic for tier in Settings().topics.retries]
