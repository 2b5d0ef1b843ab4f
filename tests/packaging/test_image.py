"""The image's recipe, without Docker: what the Dockerfile copies, put together by its own commands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shell import bare_environ

_ROOT = Path(__file__).parents[2]
_BUILD, _, _IMAGE = (_ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").partition("\n\nFROM ")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def _copy(words: list[str], source: Path) -> None:
    """COPY, as far as it is used here."""
    *files, to = words
    for name in files:
        if (_ROOT / name).is_dir():
            shutil.copytree(_ROOT / name, source / to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(_ROOT / name, source / to)


def test_what_the_image_is_made_of_is_enough_to_run_it(tmp_path: Path) -> None:
    source, made = tmp_path / "src", tmp_path / "opt"
    source.mkdir()
    uv = shutil.which("uv") or str(_ROOT / ".uv" / "bin" / "uv")
    environ = bare_environ() | {"UV_PROJECT_ENVIRONMENT": str(made), "UV_LINK_MODE": "copy"}
    for line in _BUILD.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["COPY"]:
            _copy(words[1:], source)
        elif words[:2] == ["RUN", "uv"]:
            subprocess.run([uv, *words[2:]], cwd=source, env=environ, check=True, timeout=150)
    shutil.rmtree(source)
    [path] = re.findall(r"PATH=(\S+?):", _IMAGE)
    assert path == "/opt/postbacks/bin"
    command = str(made / "bin" / "postbacks")
    told = subprocess.run(
        [command, "worker", "--role", "all"],
        env={"PATH": os.environ["PATH"], "POSTBACKS_WEB": "0.0.0.0:0", "POSTBACKS_KAFKA": "127.0.0.1:1"},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 1
    assert "127.0.0.1:1" in told.stderr  # it came as far as Kafka
    files = {path.name for path in (made / "lib").rglob("app/**/*") if path.is_file()}
    ours = {path.name for path in (_ROOT / "app").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert ours <= files
    assert not list((made / "lib").rglob("chdb")), "production installs no embedded engine"
