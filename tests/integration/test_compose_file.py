"""docker-compose.yml is what Docker Compose itself accepts: its own loader and schema, without an engine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def _load(compose: Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("go"):
        pytest.skip("Docker Compose's loader is a Go module: install Go 1.24 or newer")
    return subprocess.run(
        ["go", "run", ".", str(compose)],
        cwd=_ROOT / "tests" / "compose", capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_the_compose_file_loads_and_a_wrong_key_in_it_is_refused(tmp_path: Path) -> None:
    loaded = _load(_ROOT / "docker-compose.yml")
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip() == "[clickhouse kafka migrate worker]"
    broken = tmp_path / "docker-compose.yml"
    text = (_ROOT / "docker-compose.yml").read_text()
    broken.write_text(text.replace("stop_grace_period", "stop_grace"))
    refused = _load(broken)
    assert refused.returncode == 1
    assert "stop_grace" in refused.stderr
