"""`postbacks preview`: lines in, lines out, and what a person sees."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "app.cli.preview"]
LINK = "https://t.example/p?a={id}"


def run(*arguments: str | bytes, stdin: bytes = b"") -> tuple[int, str, str]:
    done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, timeout=30, check=False)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines(*asked: bytes | dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in asked)
    status, out, _ = run("--jsonl", stdin=data + b"\n")
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == len(asked)
    return status, answers


BAD_LINES = [
    b"",
    b" ",
    b"nonsense",
    b"{",
    b"[]",
    b"null",
    b"5",
    b'"text"',
    b"{}",
    b"\xff",
    b'{"template":"\xff"}',
    b'{"template":"https://t.example/\\ud800"}',
    b'{"template":5}',
    b'{"template":null}',
    b'{"template":"https://t.example/","now":"soon"}',
    b'{"template":"https://t.example/","now":true}',
    b'{"template":"https://t.example/","now":1e999}',
    b'{"template":"https://t.example/","now":1' + b"0" * 5000 + b"}",
    b'{"template":"https://t.example/","headers":[]}',
    b'{"template":"https://t.example/","headers":{"X":1}}',
    b'{"template":"https://t.example/","secrets":{"X":1}}',
    b'{"template":"https://t.example/","params":{"X":[]}}',
    b'{"template":"https://t.example/","params":{"X":18446744073709551616}}',
    b'{"template":"https://t.example/","omit_empty":1}',
    b'{"template":"https://t.example/","strict":"yes"}',
    b'{"template":"https://t.example/","event":{}} x',
    b'{"template":"https://t.example/","event":{}',
    b"[" * 100_000,
    b'{"headers":' + b"[" * 100_000,
]
BAD_EVENTS = [
    b"null",
    b"5",
    b'"x"',
    b"[]",
    b'{"status":"sold"}',
    b'{"click":"c"}',
    b'{"uid":5}',
    b'{"meta":{"a":[1]}}',
    b'{"meta":{"a":18446744073709551616}}',
    b'{"meta":{"a":-9223372036854775809}}',
    b'{"price":1e999}',
    b'{"uid":"\\ud800"}',
    b'{"uid":"\xff"}',
    b'{"meta":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    b'{"event_id":5}',
    b'{"occurred_at":"soon"}',
    b'{"price":"12"}',
    b'{"tags":[]}',
    b'{"uid":"' + b"x" * 300_000 + b'"}',
]


def test_a_bad_line_is_answered_in_its_place_and_stops_no_other() -> None:
    good = {"template": LINK, "event": {"lead_id": "L"}}
    asked: list[bytes | dict[str, Any]] = [good]
    for line in BAD_LINES:
        asked += [line, good]
    for event in BAD_EVENTS:
        asked += [b'{"template":"%s","event":%s,"now":1}' % (LINK.encode(), event), good]
    status, answers = lines(*asked)
    assert status == 2
    assert all(answer["url"] == "https://t.example/p?a=L" for answer in answers[::2])
    parts = [answer["error"]["part"] for answer in answers[1::2]]
    assert parts == ["line"] * len(BAD_LINES) + ["event"] * len(BAD_EVENTS)
    assert all(answer["error"]["at"] is None and answer["error"]["reason"] for answer in answers[1::2])


def test_a_line_may_hold_nothing_but_a_template() -> None:
    before_s = time.time()
    status, answers = lines(
        {"template": "https://t.example/p|JSON|[{id},{event_id},{time},{event},{status},{geo},{meta.x}]"},
        {"template": "https://t.example/p?a={now}&b={random}"},
    )
    assert status == 0
    assert answers[0] == {
        "method": "POST",
        "url": "https://t.example/p",
        "headers": {"Content-Type": "application/json"},
        "body": "[null,null,null,null,null,null,null]",
        "warnings": [],
    }
    query = dict(pair.split("=") for pair in answers[1]["url"].partition("?")[2].split("&"))
    assert before_s - 1 <= int(query["a"]) <= time.time()
    assert query["b"]


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"status": "wait", "goal": "g"}, '"new"'),
        ({"goal": "g"}, '"goal"'),
        ({"goal": " "}, "null"),
        ({"price": 5}, "null"),
        ({}, "null"),
    ],
)
def test_the_event_of_a_preview_is_its_status_or_a_goal(event: dict[str, Any], shown: str) -> None:
    _, answers = lines({"template": "https://t.example/p|JSON|{event}", "event": event})
    assert answers[0]["body"] == shown


def test_a_line_has_what_it_brings() -> None:
    _, answers = lines(
        {
            "template": "https://t.example/{secret.a}?p={param.p}&q={param.q}&n={now|ms}&t={goal}&s={secret.none}",
            "headers": {"X": "{secret.a}-{param.p}", "Y": ""},
            "params": {"p": "1&2", "q": 1.50},
            "secrets": {"a": "b/c"},
            "now": 1764000000.0009,
            "omit_empty": True,
            "extra": "is ignored",
        },
    )
    assert answers[0]["url"] == (
        "https://t.example/b%2Fc?p=1%262&q=1.5&n=1764000000000&s=%E2%80%A2%E2%80%A2%E2%80%A2"
    )
    assert answers[0]["headers"] == {"X": "b/c-1&2", "Y": ""}


def test_what_would_fail_at_sending_fails_the_preview() -> None:
    _, answers = lines(
        {"template": "https://t.example/{secret.a}", "secrets": {"a": ".."}},
        {"template": "https://t.example/?a={secret.a}", "secrets": {"a": "x" * 9000}},
        {"template": "https://t.example/|POST|a={secret.a|hmac:k}", "secrets": {"a": "x"}},
        {"template": "https://t.example/", "headers": {"X": "{id|hmac:k}"}, "event": {"lead_id": "L"}},
    )
    assert [answer["error"]["part"] for answer in answers] == ["link", "link", "form", "header"]
    assert "x" * 10 not in answers[1]["error"]["reason"]


def test_at_counts_code_points_of_the_whole_template() -> None:
    _, answers = lines(
        {"template": "https://t.example/😀?a={id|bogus}"},
        {"template": "https://t.example/😀|POST|a={id|bogus}"},
        {"template": 'https://t.example/😀|JSON|{"a":\n x}'},
    )
    assert [answer["error"]["at"] for answer in answers] == [26, 31, 32]


def test_warnings_come_with_the_request() -> None:
    _, answers = lines({"template": "https://t.example/p?a={clikc}&b={x}", "event": {"tags": {"x": None}}})
    assert len(answers[0]["warnings"]) == 1
    assert "{click}" in answers[0]["warnings"][0]


def test_every_line_good_is_status_0_and_no_line_too() -> None:
    assert lines({"template": LINK}, {"template": LINK})[0] == 0
    assert run("--jsonl") == (0, "", "")
    assert run("--jsonl", stdin=b'{"template":"https://t.example/"}')[0] == 0
    assert run("--jsonl", stdin=b'{"template":"https://t.example/"}\r\n')[0] == 0


def test_a_person_sees_the_request(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"lead_id": "L 1", "tags": {"utm_source": "fb"}, "meta": {"n": 1}}', encoding="utf-8")
    status, out, err = run(
        "--template",
        'https://t.example/{secret.s}?a={id}|JSON|["{name}",{meta.n},{meta.v},{price},"{x}","{param.p}",{now}]',
        "--event",
        str(event),
        "--set",
        "name=Ольга",
        "--set",
        "meta.v=true",
        "--set",
        "price=12.5",
        "--set",
        "x=T",
        "--set",
        "param.p=P",
        "--now",
        "1764000000.9",
        "--secret",
        "s=hidden",
        "--header",
        "X-A: Bearer {secret.s}",
    )
    assert (status, err) == (0, "")
    assert out == (
        "POST https://t.example/%E2%80%A2%E2%80%A2%E2%80%A2?a=L%201\n"
        "Content-Type: application/json\n"
        "X-A: Bearer •••\n"
        "\n"
        '["Ольга",1,true,12.5,"T","P",1764000000]\n'
    )


def test_secrets_are_shown_only_when_asked_for() -> None:
    arguments = ("--template", "https://t.example/{secret.s}?a={secret.none}", "--secret", "s=hidden")
    assert "hidden" not in run(*arguments, "--json")[1]
    shown = json.loads(run(*arguments, "--json", "--show-secrets")[1])
    assert shown["url"] == "https://t.example/hidden?a=%E2%80%A2%E2%80%A2%E2%80%A2"


def test_the_event_may_come_from_standard_input() -> None:
    status, out, _ = run("--template", LINK, "--event", "-", "--json", stdin=b'{"lead_id":"L"}')
    assert (status, json.loads(out)["url"]) == (0, "https://t.example/p?a=L")


@pytest.mark.parametrize(
    ("given", "macro", "shown"),
    [
        ("id=1", "{id}", '"1"'),
        ("lead_id=1", "{id}", '"1"'),
        ("flow=F", "{flow}", '"F"'),
        ("stage=wait", "{status}", '"new"'),
        ("status=hold", "{event}", '"hold"'),
        ("cash=1.50", "{price}", "1.5"),
        ("click=c", "{click}", '"c"'),
        ("click.id=c", "{click}", '"c"'),
        ("ip=::1", "{ip}", '"::1"'),
        ("customer.email=a@b", "{email}", '"a@b"'),
        ("phone=1", "{phone}", '"1"'),
        ("tag.x=5", "{x}", '"5"'),
        ("tags.click=5", "{tag.click}", '"5"'),
        ("subid=1=2", "{subid}", '"1=2"'),
        ("meta.a.b=7", "{meta.a.b}", "7"),
        ('meta.a="7"', "{meta.a}", '"7"'),
        ("meta.a=1e999", "{meta.a}", '"1e999"'),
        ("meta.a=x", "{meta.a}", '"x"'),
        ("time=2026-11-23T15:00:00Z", "{time}", "1795446000"),
        ("uid=", "{uid}", "null"),
        ("params.p=1", "{param.p}", '"1"'),
        ("event_id=e", "{event_id}", '"e"'),
        ("any=😀", "{any}", '"😀"'),
    ],
)
def test_set_takes_the_name_of_a_macro_or_a_path(given: str, macro: str, shown: str) -> None:
    status, out, _ = run("--template", f"https://t.example/|JSON|{macro}", "--set", given, "--json")
    assert (status, json.loads(out)["body"]) == (0, shown)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--template",),
        ("--template", LINK, "--bogus"),
        ("--template", LINK, "--set", "x"),
        ("--template", LINK, "--set", "=x"),
        ("--template", LINK, "--set", "now=1"),
        ("--template", LINK, "--now", "x"),
        ("--template", LINK, "--set", "request=1"),
        ("--template", LINK, "--event", "/nowhere/at/all"),
        ("--template", LINK, "--secret", "x"),
        ("--template", LINK, "--header", "x"),
        ("--template", LINK, "--param", "x"),
        ("--template", b"https://t.example/\xff"),
    ],
)
def test_wrong_use_is_said_and_is_status_2(arguments: tuple[str | bytes, ...]) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert "error" in err


@pytest.mark.parametrize(
    ("event", "more"),
    [(b"nonsense", ()), (b"[]", ("--set", "id=1")), (b"{", ("--set", "id=1")), (b'{"status":"sold"}', ())],
)
def test_a_bad_event_is_said_and_is_status_2(event: bytes, more: tuple[str, ...]) -> None:
    status, out, _ = run("--template", LINK, "--event", "-", "--json", *more, stdin=event)
    assert (status, json.loads(out)["error"]["part"]) == (2, "event")


def test_a_fault_is_shown_with_a_caret_at_its_place() -> None:
    status, out, err = run("--template", 'https://t.example/p|JSON|{\n "a":\t{id|sha265}\n}')
    assert (status, out) == (2, "")
    said, shown, caret = err.splitlines()
    assert "error in the json" in said
    assert "sha256" in said
    assert shown[caret.index("^") :].startswith("sha265")
    assert "^" in run("--template", "https://t.example/" + "x" * 300 + "{id|sha265}" + "y" * 300)[2]


def test_strict_and_omit_empty_are_options_too() -> None:
    assert run("--template", "https://t.example/?a={nope}", "--strict")[0] == 2
    assert run("--template", "https://t.example/?a={goal}", "--omit-empty")[1] == "GET https://t.example/\n"


def test_previewing_imports_nothing_slow() -> None:
    code = (
        "import sys, app.cli.preview as p; p.main(['--template', 'https://t.example/?a={now|iso}']);"
        "slow = 'typer rich faust aiohttp aiokafka phonenumbers idna zoneinfo asyncio'.split();"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == b"[]"


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    line = json.dumps({"template": LINK}).encode() + b"\n"
    preview = subprocess.Popen(
        [*COMMAND, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with preview:
        assert preview.stdin
        assert preview.stdout
        assert preview.stderr
        preview.stdin.write(line)
        preview.stdin.flush()
        assert preview.stdout.readline()
        preview.stdout.close()
        preview.stdin.write(line * 10)
        preview.stdin.close()
        assert preview.stderr.read() == b""
