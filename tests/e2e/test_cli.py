"""Each command where nothing runs: its help, wrong use, wrong settings, and what it says of what is away."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.commands import app
from tests.shell import Shell, one_line

_FLOW = {"flow_id": "F-7", "name": "Summer", "postbacks": {"new": "https://track.er/?c={click}&e={event_id}"}}
_REFUSED = {"flow_id": "F-8", "postbacks": {"new": "https://track.er/?c={click|sha265}"}}
_DOUBTFUL = {"flow_id": "F-9", "postbacks": {"new": "https://track.er/?c={clik}"}}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Commands with no settings at all, but a Kafka and a ClickHouse that are away."""
    away = {"POSTBACKS_KAFKA": "127.0.0.1:1", "POSTBACKS_CLICKHOUSE": "http://me:sesame@127.0.0.1:1/x"}
    return Shell(tmp_path, away)


def _commands(command: Any, path: str = "") -> Iterator[str]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, f"{path} {name}".strip())


_COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_of_every_command_shows_an_example(shell: Shell, command: str) -> None:
    done = shell.run(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example: " in done.stdout
    assert "postbacks" in done.stdout.split("Example: ")[1]


def test_help_names_every_command(shell: Shell) -> None:
    told = shell.run("--help").stdout
    for command in {command.split()[0] for command in _COMMANDS if command}:
        assert f"\n  {command} " in told
    assert "clickhouse" in shell.run("embedded", "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["nonsense"], ["worker", "--rolle", "all"], ["flows", "apply"], ["flows", "show"], ["logs"]),
        *(["stats", "--limit", "0"], ["stats", "--by", "nothing"], ["preview"], ["flows", "lint", "missing"]),
        *(["worker", "--role", "join,sender"], ["schema", "nothing"], ["logs", "list", "--since", "never"]),
        *(["embedded", "clickhouse", "--port", "x"], ["flows", "apply", "/"]),
        *(["embedded", "broker", "--port", "x"], ["dev", "--port", "-1"], ["dev", "--flows", "nowhere"]),
    ],
)
def test_wrong_use_is_status_2_and_a_word_on_standard_error(shell: Shell, arguments: list[str]) -> None:
    done = shell.run(*arguments)
    assert done.returncode == 2, done
    assert done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wroker", ("'worker'", "postbacks --help")),
        ("flows aply x", ("'apply'", "postbacks flows --help")),
        ("worker --rolle all", ("--rolle", "--role", "postbacks worker --help")),
        ("stats --limit 0", ("--limit", "postbacks stats --help")),
        ("--kafak k:9092 worker", ("--kafak", "--kafka")),
        ("worker --kafka k:9092", ("--kafka is a setting", "before the command")),
        ("--kafka", ("--kafka", "argument")),
        ("--view-token sesame worker", ("--view-token", "POSTBACKS_VIEW_TOKEN", ".env")),
        ("--clickhouse http://me:sesame@h/d stats", ("--clickhouse", "POSTBACKS_CLICKHOUSE", ".env")),
    ],
)
def test_wrong_use_is_one_line_that_says_what_was_meant(
    shell: Shell, line: str, words: tuple[str, ...]
) -> None:
    done = shell.run(*line.split())
    one_line(done, 2, *words)
    assert "sesame" not in done.stderr


def test_a_setting_before_the_command_stands_above_the_environment_and_the_dotenv_file(shell: Shell) -> None:
    (shell.folder / ".env").write_text("POSTBACKS_KAFKA=127.0.0.1:3\nPOSTBACKS_PREFIX=file\n")
    done = shell.run("--kafka", "127.0.0.1:2", "flows", "list", POSTBACKS_KAFKA="127.0.0.1:4")
    one_line(done, 1, "Kafka at 127.0.0.1:2 ")
    one_line(shell.run("--partitions=many", "flows", "list"), 2, "POSTBACKS_PARTITIONS", "many")
    assert shell.run("--data-dir", "d", "preview", "--template", "https://t.er/{id}").returncode == 0


def test_help_names_every_setting_that_may_be_a_flag(shell: Shell) -> None:
    told = shell.run("--help").stdout
    assert {"--kafka", "--clickhouse", "--data-dir", "--max-in-flight"} <= set(told.split())
    assert "--view-token" not in told
    assert shell.run("--version").stdout.startswith("postbacks 0.")


def test_help_starts_without_kafka_http_and_clickhouse(shell: Shell) -> None:
    done = shell.run("--help", PYTHONPROFILEIMPORTTIME="1")
    slow = {"faust", "aiokafka", "aiohttp", "clickhouse_connect", "rich"}
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & slow


_COMPLETE = """
eval "$(postbacks --show-completion)"
complete -p postbacks
for words in {lines}; do
    IFS=' ' read -r -a COMP_WORDS <<< "$words"
    [[ $words == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _postbacks_completion postbacks
    echo "${{COMPREPLY[*]}}"
done
"""


def test_bash_completes_commands_options_and_their_values(shell: Shell) -> None:
    lines = [
        *("postbacks wo", "postbacks flows ", "postbacks --kafka k:1 leads s", "postbacks --cl"),
        *("postbacks logs list --out", "postbacks logs tail --outcome d", "postbacks schema lead-event"),
        *("postbacks presets show te", "postbacks presets apply sl"),
    ]
    script = _COMPLETE.format(lines=" ".join(map(shlex.quote, lines)))
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True, text=True, timeout=50, env=environ, cwd=shell.folder, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    registered, *completed = done.stdout.splitlines()
    assert registered.endswith("_postbacks_completion postbacks")
    assert completed == [
        "worker",
        "apply lint list show delete",
        "send show",
        "--clickhouse --clickhouse-cluster",
        "--outcome",
        "delivered discarded",
        "lead-event lead-events-rejected",
        "telegram",
        "slack",
    ]


def test_a_file_of_events_with_wrong_lines_is_refused_before_anything_is_asked(shell: Shell) -> None:
    good = json.dumps({"event_id": "e", "lead_id": "L", "flow_id": "F", "status": "new"})
    bad = '{"event_id": "e", "lead_id": "L", "price": "12"}'
    (shell.folder / "events.jsonl").write_text(f"{good}\n{bad}\n{{}}\n")
    for done, name in (
        (shell.run("leads", "send", "events.jsonl"), "events.jsonl"),
        (shell.run("leads", "send", "-", stdin=f"{good}\n{bad}\n{{}}\n"), "-"),
    ):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            f"postbacks: {name}:2: price: expected a number, got a text",
            f"postbacks: {name}:3: event_id: missing",
            f"postbacks: {name}: 2 of 3 lines are wrong, nothing was sent; --skip-bad sends the rest",
        ]
    (shell.folder / "many.jsonl").write_text("{}\n" * 1000)
    told = shell.run("leads", "send", "many.jsonl").stderr.splitlines()
    assert (len(told), told[20]) == (22, "postbacks: many.jsonl: and 980 more")
    one_line(shell.run("leads", "send", "missing.jsonl"), 2, "missing.jsonl", "No such file")


def test_schema_prints_one_schema_or_all(shell: Shell) -> None:
    one = json.loads(shell.run("schema", "lead-event").stdout)
    assert one["required"] == ["event_id", "lead_id"]
    assert json.loads(shell.run("schema").stdout)["lead-event"] == one
    done = shell.run("schema", "--out", "made")
    assert done.returncode == 0
    assert json.loads((shell.folder / "made" / "lead-event.json").read_text()) == one
    one_line(shell.run("schema", "--out", "/dev/null/made"), 1, "/dev/null/made")


def test_presets_are_told_and_filled_in_wrongly_refused_before_anything_is_asked(shell: Shell) -> None:
    listed = {row["preset"]: row for row in shell.rows("presets", "list")}
    assert (listed["telegram"]["kind"], listed["telegram"]["params"]) == ("chat", ["chat"])
    assert "Telegram Bot API" in shell.run("presets", "list").stdout
    told = shell.run("presets", "show", "telegram").stdout
    for words in (
        "POSTBACKS_SECRET_TELEGRAM_TOKEN",
        "where to find it: @BotFather",
        "Not confirmed",
        "https://",
    ):
        assert words in told
    [whole] = shell.rows("presets", "show", "telegram")
    assert whole["postbacks"][0]["on"] == ["new", "approve"]
    one_line(shell.run("presets", "show", "telegramm"), 2, "did you mean telegram?")
    apply = ("presets", "apply", "telegram", "--flow", "F-7")
    one_line(shell.run(*apply), 2, "chat: missing: Chat id", "where to find it: forward a message")
    one_line(
        shell.run(*apply, "--param", "chat=my chat"), 2, "'my chat' is not of the form of '-1001234567890'"
    )
    one_line(shell.run(*apply, "--param", "chta=1", "--param", "chat=1"), 2, "did you mean chat?")
    one_line(shell.run(*apply, "--param", "chat"), 2, "write it as NAME=VALUE")
    one_line(shell.run(*apply, "--param", "chat=-100123456"), 1, "Kafka at 127.0.0.1:1")


def test_preview_renders_without_anything_that_runs(shell: Shell) -> None:
    done = shell.run("preview", "--template", "https://track.er/?c={click}", "--set", "click.id=c 9")
    assert (done.returncode, done.stdout) == (0, "GET https://track.er/?c=c%209\n")
    assert shell.run("preview", "--template", "https://{click}/").returncode == 2


def test_lint_says_what_is_refused_and_what_is_doubtful(shell: Shell) -> None:
    shell.write("good.json", _FLOW)
    shell.write("bad.json", _REFUSED)
    shell.write("doubtful.json", _DOUBTFUL)
    good = shell.run("flows", "lint", "good.json")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    done = shell.run("flows", "lint", "bad.json", "doubtful.json")
    assert done.returncode == 2
    refused, doubtful = done.stdout.splitlines()
    assert refused.startswith("bad.json: refused: postbacks.new: ")
    assert "sha256" in refused
    assert doubtful.startswith("doubtful.json: warning: postbacks.new: ")
    assert "click" in doubtful
    old = {"flow_id": "F-6", "postbacks": {"new": "https://graph.facebook.com/v20.0/1/events?c={click}"}}
    done = shell.run("flows", "lint", "-", stdin=json.dumps(old))
    assert "v20.0 of Meta Conversions API ended on 2026-09-24: preset meta-capi has v" in done.stdout
    shell.write("again.json", _FLOW)
    twice = shell.run("flows", "lint", "good.json", "again.json")
    assert (twice.returncode, "is in good.json too" in twice.stdout) == (0, True)
    done = shell.run("flows", "lint", "--json", "-", stdin=json.dumps(_DOUBTFUL))
    assert done.returncode == 0
    assert json.loads(done.stdout).keys() == {"file", "kind", "place", "text"}


def test_an_output_that_cannot_hold_a_character_shows_it_by_its_escape(shell: Shell) -> None:
    done = shell.run("flows", "lint", "-", stdin='{"flow_id": "F", "ключ": 1}', PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert r"\u043a\u043b\u044e\u0447" in done.stdout


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "\ufeff{}", "{}", '{"flow_id": 7}', "[" * 100_000])
def test_lint_refuses_what_is_no_flow(shell: Shell, text: str) -> None:
    done = shell.run("flows", "lint", "-", stdin=text)
    assert done.returncode == 2
    assert done.stdout.startswith("-: refused: ")


@pytest.mark.parametrize("command", ["worker", "migrate", "flows list", "logs list", "stats", "doctor"])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_wrong_setting_is_one_line_and_status_2(shell: Shell, command: str, place: str) -> None:
    wrong = {"POSTBACKS_PARTITIONS": "many"}
    if place == ".env":
        (shell.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in wrong.items()))
        wrong = {}
    one_line(shell.run(*command.split(), **wrong), 2, "POSTBACKS_PARTITIONS", "many", "whole number")


def test_a_setting_that_nothing_obeys_yet_stops_the_start(shell: Shell) -> None:
    done = shell.run("worker", POSTBACKS_CLICKHOUSE_CLUSTER="sesame")
    one_line(done, 2, "POSTBACKS_CLICKHOUSE_CLUSTER", "not supported yet")
    assert "sesame" not in done.stderr


def test_a_mapping_of_inbound_calls_that_cannot_work_stops_the_start(shell: Shell) -> None:
    shell.write("inbound.json", {"short": {"flow": "F-7", "fields": {"lead_id": "id"}}})
    for command in ("worker", "dev --port 0"):
        away = {"POSTBACKS_KAFKA": "", "POSTBACKS_CLICKHOUSE": ""}
        done = shell.run(*command.split(), POSTBACKS_INBOUND="inbound.json", **away)
        one_line(done, 2, "POSTBACKS_INBOUND", "entry 1", "5 characters")


def test_a_token_that_could_be_guessed_stops_the_start(shell: Shell) -> None:
    done = shell.run("worker", POSTBACKS_TOKEN="sesame")
    one_line(done, 2, "POSTBACKS_TOKEN", "6 characters", "openssl rand")
    assert "sesame" not in done.stderr


def test_a_password_is_never_repeated(shell: Shell) -> None:
    for command in ("worker", "migrate", "logs list"):
        done = shell.run(*command.split(), POSTBACKS_CLICKHOUSE="http://me:sesame@[x/db")
        one_line(done, 2, "POSTBACKS_CLICKHOUSE")
        assert "sesame" not in done.stderr


def test_an_unknown_variable_is_a_warning_with_the_nearest_setting(shell: Shell) -> None:
    done = shell.run("flows", "list", POSTBACKS_KAFKA_USER="me", POSTBACKS_SECRET_FB="hush", POSTBACKS_CI="1")
    warning, failure = done.stderr.splitlines()
    assert warning.startswith("postbacks: warning: POSTBACKS_KAFKA_USER ")
    assert "POSTBACKS_KAFKA_USERNAME" in warning
    assert failure.startswith("postbacks: Kafka at 127.0.0.1:1")
    assert "hush" not in done.stderr


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that accepts and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield "127.0.0.1:{1}".format(*server.getsockname())


@pytest.mark.parametrize(
    "command",
    ["worker", "migrate", "flows list", "flows delete F-7", "flows apply f.json", "leads send e.jsonl"],
)
def test_a_kafka_that_is_away_is_one_line_within_seconds(shell: Shell, command: str) -> None:
    shell.write("f.json", _FLOW)
    shell.write("e.jsonl", {"event_id": "e", "lead_id": "L"})
    one_line(shell.run(*command.split()), 1, "Kafka at 127.0.0.1:1", "POSTBACKS_KAFKA")


@pytest.mark.slow
def test_a_kafka_that_never_answers_is_one_line_within_seconds(shell: Shell, deaf: str) -> None:
    started = time.monotonic()
    one_line(shell.run("worker", POSTBACKS_KAFKA=deaf), 1, f"Kafka at {deaf}", "does not answer")
    assert time.monotonic() - started < 25  # a client of Kafka left alone waits longer than this


@pytest.mark.parametrize("command", ["logs list", "logs show x", "logs tail", "leads show x", "stats"])
def test_a_clickhouse_that_is_away_is_one_line(shell: Shell, command: str) -> None:
    done = shell.run(*command.split())
    one_line(done, 1, "ClickHouse at http://127.0.0.1:1/x", "POSTBACKS_CLICKHOUSE")
    assert "sesame" not in done.stderr


def test_the_doctor_tells_what_is_away_and_what_to_do(shell: Shell) -> None:
    done = shell.run("doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert "  ✗ Kafka cannot be reached at 127.0.0.1:1\n" in done.stdout
    assert "    → Start it, or set POSTBACKS_KAFKA to an address that this machine reaches. " in done.stdout
    assert "  ✗ ClickHouse cannot be asked\n" in done.stdout
    assert "  ? topics: not checked\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 failed, ")
    assert "sesame" not in done.stdout


def test_the_doctor_is_done_in_time_where_nothing_answers(shell: Shell, deaf: str) -> None:
    away = {"POSTBACKS_KAFKA": deaf, "POSTBACKS_CLICKHOUSE": f"http://me:sesame@{deaf}/x"}
    findings = [json.loads(line) for line in shell.run("doctor", "--json", **away).stdout.splitlines()]
    failed = {one["group"]: one["what"] for one in findings if one["level"] == "fail"}
    assert failed.keys() == {"Kafka", "ClickHouse"}
    assert failed["Kafka"] == f"Kafka at {deaf} takes connections, and cannot be talked to"


def test_a_kafka_certificate_that_is_none_is_named(shell: Shell) -> None:
    shell.write("ca.pem", "no certificate")
    done = shell.run("migrate", POSTBACKS_KAFKA_SECURITY="SSL", POSTBACKS_KAFKA_CA_FILE="ca.pem")
    one_line(done, 2, "POSTBACKS_KAFKA_CA_FILE")
    same = shell.run("doctor", POSTBACKS_KAFKA_SECURITY="SSL", POSTBACKS_KAFKA_CA_FILE="ca.pem")
    one_line(same, 2, "POSTBACKS_KAFKA_CA_FILE")
