"""A release is of one version, said in one place, with its licence and its changes."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from app.web.api.openapi import document
from app.web.api.table import ROUTES
from tests.shell import POSTBACKS

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_VERSION = _PROJECT["version"]


def test_the_command_and_the_api_say_the_version_of_the_project() -> None:
    done = subprocess.run([POSTBACKS, "--version"], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == f"postbacks {_VERSION}\n"
    assert document(ROUTES)["info"]["version"] == _VERSION


def test_no_code_repeats_the_version_and_an_image_has_it_as_its_tag() -> None:
    for path in (_ROOT / "app").rglob("*.py"):
        assert _VERSION not in path.read_text(encoding="utf-8"), path
    for path in (_ROOT / "deploy").rglob("*.y*ml"):
        tags = re.findall(r"\b(?:newTag|version): \"?(\d+\.\d+\.\d+)\b", path.read_text(encoding="utf-8"))
        assert set(tags) <= {_VERSION}, path


def test_the_changelog_begins_with_this_version_and_the_licence_is_the_one_that_is_told() -> None:
    changes = (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == _VERSION
    assert len(re.findall(r"^- ", changes, re.MULTILINE)) > 20
    assert _PROJECT["license"] == "MIT"
    assert (_ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
