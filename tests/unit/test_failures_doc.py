"""docs/failures.md: each row has its drill or test, each alert its runbook, each alarm its row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from app.kit.alarms import Kind
from app.settings import names
from tests.deploy.boards import rules

_ROOT = Path(__file__).parents[2]
_TEXT = (_ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
_ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in _TEXT.splitlines()
    if line.startswith("| ") and "---" not in line
][1:]
_HEADINGS = re.findall(r"^### (\w+)$", _TEXT, re.MULTILINE)


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row[0][:40])
def test_every_failure_says_what_is_seen_lost_and_to_be_done_and_names_its_test(row: list[str]) -> None:
    _, *told, shown_by = row
    assert len(told) == 3
    assert all(told)
    if not shown_by.startswith("*not run*"):
        [path] = re.findall(r"^`(tests/\S+\.py)`$", shown_by)
        assert (_ROOT / path).is_file()


def test_every_drill_has_its_row() -> None:
    drills = {f"tests/drill/{path.name}" for path in (_ROOT / "tests" / "drill").glob("test_*.py")}
    assert drills <= {row[-1].strip("`") for row in _ROWS}


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert [rule["alert"] for rule in rules()] == list(dict.fromkeys(rule["alert"] for rule in rules()))
    assert {rule["alert"] for rule in rules()} == set(_HEADINGS)
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/failures.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(re.findall(r"\(#(\w+)\)", _TEXT)) <= {heading.lower() for heading in _HEADINGS}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_alarm_has_its_row_and_its_alert(kind: str) -> None:
    assert any(f"alarm `{kind}`" in row[1] for row in _ROWS)
    assert any(f'kind="{kind}"' in rule["expr"] for rule in rules())


def test_every_log_line_and_setting_that_is_named_exists() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (_ROOT / "app").rglob("*.py"))
    settings = set(re.findall(r"POSTBACKS_([A-Z_]+)", _TEXT))
    assert settings <= set(names())
    for row in _ROWS:
        for line in re.findall(r"`([a-zA-Z][\w:,]* [\w :,]+)`", row[1]):
            assert line in code, line
