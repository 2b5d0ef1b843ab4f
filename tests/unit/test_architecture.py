"""Data flows one way: a room imports from itself and from earlier rooms, never back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_APP = Path(__file__).parents[2] / "app"
_ROOMS = (
    *("kit", "topics", "settings", "leads", "templates", "flows", "presets", "imports", "messages"),
    *("stream", "join", "outbound", "log", "queries", "embedded", "doctor"),
    *("web", "main", "dev", "demo", "cli"),
)
_LIBRARIES = {"faust", "mode", "aiokafka", "aiohttp", "clickhouse_connect", "chdb", "rocksdict"}
_SHELLS = {"stream", "queries", "embedded", "web", "main", "dev", "demo", "cli"}
_SHELL_FILES = {
    "agent.py",
    "ask_clickhouse.py",
    "ask_kafka.py",
    "ask_records.py",
    "courier.py",
    "connections.py",
    "handler.py",
    "names.py",
    "native.py",
    "guard.py",
    "writer.py",
    "retries.py",
    "tiers.py",
    "underway.py",
    "memory.py",
    "newest.py",
    "parked.py",
    "release.py",
    "replay.py",
    "migrate.py",
}
_MODULES = sorted(_APP.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(_APP).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the room it comes from"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", _MODULES, ids=lambda p: str(p.relative_to(_APP)))
def test_a_module_imports_only_from_its_own_room_or_an_earlier_one(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    for name in _imports(path):
        if name.startswith("app."):
            other = name.split(".")[1]
            assert _ROOMS.index(other) <= _ROOMS.index(room), f"{path.relative_to(_APP)} imports {name}"


@pytest.mark.parametrize("path", _MODULES, ids=lambda p: str(p.relative_to(_APP)))
def test_only_shells_import_kafka_http_and_clickhouse(path: Path) -> None:
    if _room(path) in _SHELLS or path.name in _SHELL_FILES:
        return
    used = {name.split(".")[0] for name in _imports(path)} & _LIBRARIES
    assert not used, f"{path.relative_to(_APP)} is part of the core and imports {sorted(used)}"
