"""The wheel as people install it: built once, put into clean environments with the locked versions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
Install = Callable[..., Path]


def _uv(*arguments: str) -> None:
    """Run uv, the one that `make setup` found or installed."""
    found = shutil.which("uv") or str(_ROOT / ".uv" / "bin" / "uv")
    done = subprocess.run([found, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    _uv("build", "-q", "--wheel", "--out-dir", str(folder))
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Installs the wheel, with extras if named, into a fresh virtual environment; gives its `postbacks`."""

    def installed(*extras: str) -> Path:
        folder = tmp_path_factory.mktemp("installed")
        wanted = [word for extra in extras for word in ("--extra", extra)]
        locked = str(folder / "locked.txt")
        _uv("export", "-q", "--locked", "--no-dev", "--no-emit-project", *wanted, "-o", locked)
        _uv("venv", "-q", str(folder / "venv"))
        python = str(folder / "venv" / "bin" / "python")
        _uv("pip", "install", "-q", "--python", python, "--no-deps", "-r", locked, str(wheel))
        return folder / "venv" / "bin" / "postbacks"

    return installed
