"""The README is true: its commands run, its flow and events do what its table says, its names exist.

What needs Kafka, ClickHouse or Docker is not run here: its command and options are looked up instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import typer

from app.cli.commands import app
from app.cli.flags import FLAGS
from app.flows.config import parse
from app.flows.lint import lint
from app.join.build import Source, Terms, join
from app.leads.lead import Lead
from app.messages.request import Request
from app.outbound.wire import Wire, put_together
from app.settings import load
from app.web.inbound import event_of, read_inbound

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_BIN = Path(sys.executable).parent
_NO_SECRETS: dict[str, str] = {}
_AT_MS = 1_795_446_000_000


def _blocks(language: str) -> list[str]:
    """The code blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", _README, re.DOTALL | re.MULTILINE)


def _commands() -> list[list[str]]:
    """The lines of `sh` blocks, the `$` lines of `console` blocks and the commands in the text, as words."""
    lines = "".join(_blocks("sh")).replace("\\\n", " ").splitlines()
    lines += re.findall(r"^\$ (.*)$", "".join(_blocks("console")).replace("\\\n", " "), re.MULTILINE)
    lines += re.findall(r"`((?:\.venv/bin/)?postbacks .+?|make .+?)`", _README)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


_POSTBACKS = [words[1:] for words in _commands() if words[0].endswith("postbacks")]
_FLOW, _EVENTS, _INBOUND = _blocks("json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory as the README's reader has it: `.venv`, and the flow in its folder."""
    (tmp_path / ".venv").symlink_to(_BIN.parent)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "summer.json").write_text(_FLOW)
    return tmp_path


def _run(line: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("POSTBACKS_")}
    return subprocess.run(
        line, capture_output=True, text=True, cwd=folder, env=environ, timeout=50, check=False
    )


@pytest.mark.parametrize("console", _blocks("console"))
def test_a_command_shown_with_its_answer_answers_so(console: str, folder: Path) -> None:
    command, _, answer = console.replace("\\\n", " ").partition("\n")
    done = _run(shlex.split(command.removeprefix("$ ")), folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, "")


def test_lint_has_nothing_to_say_about_the_flow(folder: Path) -> None:
    done = _run([".venv/bin/postbacks", "flows", "lint", "flows/summer.json"], folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert lint(_FLOW.encode(), _NO_SECRETS.get) == []


@pytest.mark.parametrize("words", _POSTBACKS, ids=" ".join)
def test_every_command_and_option_exists(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while words and words[0] in FLAGS:
        words = words[2:]
    while words and not words[0].startswith("-") and (below := getattr(command, "commands", None)):
        assert words[0] in below, f"there is no command {words[0]}"
        command, words = below[words[0]], words[1:]
    if not command.context_settings.get(
        "ignore_unknown_options"
    ):  # else argparse reads them, and they are run
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known


def test_there_are_commands_to_check() -> None:
    named = {" ".join(words[:2]) for words in _POSTBACKS}
    assert {"migrate", "worker --role", "flows lint", "flows apply", "logs list", "stats"} <= named
    assert "preview --template" in named


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {words[1] for words in _commands() if words[0] == "make"} <= targets


def test_every_setting_is_one_and_may_have_the_value_that_is_told() -> None:
    told = re.findall(r"POSTBACKS_([A-Z_]+)(?:=([^\s`]+))?", _README)
    assert told
    environ = {f"POSTBACKS_{name}": value for name, value in told if value}
    assert load({"POSTBACKS_WORKER": "w", **environ})
    source = (_ROOT / "app" / "settings.py").read_text()
    for name, _ in told:
        assert name.startswith("SECRET_") or f'"{name}"' in source, f"POSTBACKS_{name} is no setting"


def test_the_defaults_that_are_told_are_the_defaults() -> None:
    settings = load({"POSTBACKS_WORKER": "w"})
    assert f"`POSTBACKS_WEB` ({settings.web_host}:{settings.web_port})" in _README
    assert f"`POSTBACKS_HANDOVER_S` ({settings.handover_s:g} s)" in _README
    assert f"`POSTBACKS_PARTITIONS`, {settings.partitions}," in _README
    retry = parse(_FLOW.encode()).postbacks[0].delivery
    assert f"`retry.max_attempts` ({retry.max_attempts})" in _README
    assert f"`POSTBACKS_RETRY_DELAYS` (`{','.join(settings.retry_delays)}`)" in _README
    assert f"`retry.deadline_s` ({retry.deadline_s // 86_400:g} days)" in _README


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", _README))
def test_every_link_into_the_repository_leads_somewhere(link: str) -> None:
    assert (_ROOT / link).exists()


def _wires() -> dict[str, Wire]:
    """What the README's events send by its flow, by the event that the postback reacted to."""
    flow = parse(_FLOW.encode(), version=0)
    terms = Terms({flow.flow_id: flow}.get, _NO_SECRETS.get, lambda: "r", 5.0, 90 * 86_400_000, "w")
    lead: Lead | None = None
    requests: list[Request] = []
    for offset, line in enumerate(_EVENTS.splitlines()):
        key = json.loads(line)["lead_id"].encode()
        source = Source("postbacks.lead-events", 0, offset, _AT_MS + offset, key, line.encode())
        effects = join(source, lambda _, lead=lead: lead, terms, _AT_MS + offset)  # type: ignore[misc]
        assert effects.result == "folded"
        lead = effects.lead
        requests += effects.requests
    return {
        request.origin.event: put_together(request, _NO_SECRETS.get, _AT_MS // 1000) for request in requests
    }


def test_the_table_of_requests_is_what_is_sent() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+) (\S+)`(?: with `(.+)`)? \|$", _README, re.MULTILINE)
    wires = _wires()
    assert [event for event, *_ in rows] == list(wires)
    digest = hashlib.sha256(b"olha@example.com").hexdigest()
    for event, method, link, body in rows:
        wire = wires[event]
        assert (wire.method, wire.link) == (method, link)
        sent = (wire.body or b"").decode()
        assert sent == body.replace("<sha256 of olha@example.com>", digest)


def test_the_query_that_is_told_names_columns_of_the_log() -> None:
    (sql,) = re.findall(r"`SELECT (.+?)`", _README)
    table = (_ROOT / "app/log/migrations/0001_postback_log.sql").read_text()
    for column in ("lead_id", *re.search(r"ORDER BY (.+)$", sql)[1].split(", ")):  # type: ignore[index]
        assert re.search(rf"^\s+{column} ", table, re.MULTILINE), column


def test_the_call_of_a_network_is_the_event_that_the_text_says(tmp_path: Path) -> None:
    (tmp_path / "inbound.json").write_text(_INBOUND)
    [(token, query)] = re.findall(r"`/in/([^?`]+)\?([^`]+)`", _README)
    mapped = read_inbound(tmp_path / "inbound.json").find(token)
    assert mapped is not None
    told = json.loads(event_of(mapped, dict(parse_qsl(query))).value)
    del told["event_id"]
    assert told == {"lead_id": "L-1001", "flow_id": "F-7", "status": "approve", "price": 12.5}
