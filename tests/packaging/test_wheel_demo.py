"""A newcomer with Python and nothing else sees the product work: the wheel, its extra, one command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.demo.samples import expected
from tests.kafka import free_port
from tests.packaging.conftest import Install
from tests.shell import bare_environ


@pytest.mark.chdb
@pytest.mark.timeout(150)  # it installs the wheel, and the demo waits for two retries
def test_the_demo_works_from_an_empty_folder_with_nothing_but_the_wheel_and_its_extra(
    install: Install, tmp_path: Path
) -> None:
    postbacks = install("embedded")
    done = subprocess.run(
        [postbacks, "demo", "--once"],
        cwd=tmp_path,
        env=bare_environ() | {"POSTBACKS_WEB": f"127.0.0.1:{free_port()}", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert (
        f"{len(expected())} of {len(expected())} as expected: 8 delivered, 4 skipped, 2 failed" in done.stdout
    )
    for one in expected():
        told = [line for line in done.stdout.splitlines() if line.startswith(f"{one.lead} ")]
        assert any(one.outcomes[-1] in line and one.about in line for line in told), told
    assert "postbacks logs list --lead L-2" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [".postbacks"]
