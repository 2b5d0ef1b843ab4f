"""The image: its file is clean by hadolint, holds what is built, and looks at its own health as it says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

from app.web.server import listen, new_server
from app.web.who import Tokens

_ROOT = Path(__file__).parents[2]
_DOCKERFILE = _ROOT / "deploy" / "Dockerfile"
_TEXT = _DOCKERFILE.read_text(encoding="utf-8")
_HADOLINT = str(Path(sys.executable).parent / "hadolint")


def _hadolint(text: str) -> str:
    """What hadolint says of a Dockerfile."""
    return subprocess.run([_HADOLINT, "-"], input=text, capture_output=True, text=True, check=False).stdout


def test_hadolint_finds_nothing_in_it_and_would_find_a_fault() -> None:
    assert _hadolint(_TEXT) == ""
    assert "DL3002" in _hadolint(_TEXT.replace("USER 10001", "USER root"))


def test_what_it_copies_is_there_and_not_ignored() -> None:
    ignored = (_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", _TEXT, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (_ROOT / source).exists()
            assert f"!{source}" in ignored


def test_it_runs_a_worker_as_nobody_in_particular() -> None:
    assert re.search(r'^ENTRYPOINT \["postbacks"\]\nCMD \["worker", "--role", "all"\]$', _TEXT, re.MULTILINE)
    assert re.search(r"^USER [1-9]\d+$", _TEXT, re.MULTILINE)


async def test_its_health_check_fails_only_where_nobody_answers() -> None:
    found = re.search(r'CMD (\["python", "-c", .+\])$', _TEXT, re.MULTILINE)
    assert found is not None
    _, *arguments = json.loads(found[1])
    runner = await listen(new_server(lambda: ["join: not ready"], Tokens(edit="t" * 16)), "127.0.0.1", 0)
    port = runner.addresses[0][1]

    async def healthy() -> bool:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env={"POSTBACKS_WEB": f"0.0.0.0:{port}"},
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait() == 0

    assert await healthy()
    await runner.cleanup()
    assert not await healthy()
