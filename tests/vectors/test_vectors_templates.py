"""Every template vector, in process and through `postbacks preview --jsonl`."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.templates.preview import Refused, preview, read_ask

FILE = Path(__file__).parent / "templates.jsonl"
VECTORS: list[dict[str, Any]] = [
    json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines() if line.strip()
]
ABOUT = ("name", "group", "expect")


def line_of(vector: dict[str, Any]) -> bytes:
    return json.dumps({key: value for key, value in vector.items() if key not in ABOUT}).encode()


def compare(expected: dict[str, Any], got: dict[str, Any]) -> None:
    if "error" in expected:
        assert "error" in got, got
        part = expected["error"].get("part")
        assert part in (None, got["error"]["part"]), got
        for text in expected["error"].get("reason_contains", ()):
            assert text.lower() in got["error"]["reason"].lower()
        return
    assert "error" not in got, got
    for key in ("method", "url", "body"):
        assert got[key] == expected[key]
    headers = {name.lower(): value for name, value in got["headers"].items()}
    wanted = {name.lower(): value for name, value in expected.get("headers", {}).items()}
    if expected.get("content_type"):
        wanted.setdefault("content-type", expected["content_type"])
    assert headers == wanted


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector_renders_in_process_as_expected(vector: dict[str, Any]) -> None:
    ask = read_ask(line_of(vector))
    answer = ask if isinstance(ask, Refused) else preview(ask, now_ms=0, random="r", reveal=True)
    compare(vector["expect"], msgspec.to_builtins(answer))


@cache
def previewed() -> list[dict[str, Any]]:
    done = subprocess.run(
        [Path(sys.executable).with_name("postbacks"), "preview", "--jsonl"],
        input=b"".join(line_of(vector) + b"\n" for vector in VECTORS),
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("index", range(len(VECTORS)), ids=[vector["name"] for vector in VECTORS])
def test_a_vector_renders_through_the_command_as_expected(index: int) -> None:
    assert len(previewed()) == len(VECTORS)
    compare(VECTORS[index]["expect"], previewed()[index])
