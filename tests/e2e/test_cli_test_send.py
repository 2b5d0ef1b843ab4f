"""`postbacks test-send` really sends one request, by the rules of every other, and shows what came back."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.receivers import Receiver, answer
from tests.shell import Shell, one_line


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Commands that may send to loopback; there is no Kafka and no ClickHouse."""
    return Shell(
        tmp_path,
        {
            "POSTBACKS_ALLOW_NETWORKS": "127.0.0.0/8",
            "POSTBACKS_KAFKA": "127.0.0.1:1",
            "POSTBACKS_SECRET_FB": "hush-hush",
        },
    )


async def _run(shell: Shell, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(lambda: shell.run("test-send", *arguments, **more))


def _flow(receiver: Receiver, **more: Any) -> dict[str, Any]:
    postbacks: list[dict[str, Any]] = [
        {"id": "fb", "on": ["new"], "template": receiver.url("/fb?c={click}&f={flow}&e={event}")},
        {"id": "ua", "on": ["new"], "template": receiver.url("/ua"), "when": {"geo": "UA"}},
        {"id": "price", "on": ["price"], "template": receiver.url("/price?p={price}&l={param.net}")},
    ]
    return {"flow_id": "F-7", "params": {"net": "n1"}, "postbacks": [{**one, **more} for one in postbacks]}


async def test_a_template_is_sent_as_previewed_and_the_answer_is_shown(shell: Shell) -> None:
    async with Receiver(answer(200, b'{"ok":true,"got":"hush-hush"}', [("X-Id", "7")])) as receiver:
        template = receiver.url('/p?c={click}|JSON|{"n":"{name}","s":"{secret.fb}"}')
        made = ("--template", template, "--set", "click=c 9", "--set", "name=Olha", "--header", "X-A: {geo}")
        done = await _run(shell, *made)
        previewed = shell.run("preview", *made).stdout.splitlines()[0]
        as_json = json.loads((await _run(shell, *made, "--json")).stdout)
    assert (done.returncode, done.stderr) == (0, "")
    sent, again = receiver.requests
    assert (sent.line, sent.body) == (b"POST /p?c=c%209 HTTP/1.1", b'{"n":"Olha","s":"hush-hush"}')
    assert sent.body == again.body
    told = done.stdout.splitlines()
    assert told[0] == previewed == f"POST {receiver.url('/p?c=c%209')}"
    assert {f"{name.decode()}: {value.decode()}" for name, value in sent.headers} - set(told) == {
        "Content-Length: 28"
    }
    assert '{"n":"Olha","s":"•••"}' in told
    assert "→ X-Id: 7" in told
    assert '→ {"ok":true,"got":"•••"}' in told
    assert "verdict: ok by default: 2xx" in told
    assert "hush" not in done.stdout
    assert (as_json["response_status"], as_json["verdict"], as_json["rule"]) == (200, "ok", "default: 2xx")
    assert as_json["duration_ms"] > 0


async def test_what_a_flow_fires_is_judged_by_its_own_rules(shell: Shell) -> None:
    async with Receiver(answer(200, b'{"code": 7}')) as receiver:
        rules = [{"status": "200", "json": "code", "not": 0, "then": "final"}]
        shell.write("flow.json", _flow(receiver, verdict=rules))
        shell.write("event.json", {"status": "new", "click": {"id": "c-9"}})
        done = await _run(shell, "--flow", "flow.json", "--event", "event.json")
        priced = await _run(shell, "--flow", "flow.json", "--set", "price=12.5")
    assert (done.returncode, priced.returncode) == (1, 1)
    assert [received.target for received in receiver.requests] == [
        b"/fb?c=c-9&f=F-7&e=new",
        b"/price?p=12.5&l=n1",
    ]
    assert "verdict: final by verdict[0]" in done.stdout
    assert "reason: status 200, code is 7" in done.stdout


async def test_what_does_not_fire_is_not_sent_and_says_why(shell: Shell) -> None:
    async with Receiver() as receiver:
        shell.write("flow.json", _flow(receiver))
        new = ("--flow", "flow.json", "--set", "status=new")
        one_line(await _run(shell, *new, "--postback", "ua"), 1, "ua: condition: geo")
        one_line(await _run(shell, *new, "--postback", "nope"), 2, "'nope'", "fb, ua, price")
        one_line(await _run(shell, *new, "--set", "geo=UA"), 2, "fires fb, ua", "--postback")
        one_line(await _run(shell, "--flow", "flow.json"), 1, "fb is on new", "--set status")
        one_line(await _run(shell, *new, "--header", "A: b"), 2, "--header", "--template")
        one_line(await _run(shell, *new, "--set", "param.net=2"), 2, "param", "--template")
        one_line(await _run(shell), 2, "--template or --flow")
        one_line(await _run(shell, "--flow", "missing.json"), 2, "missing.json")
        one_line(await _run(shell, "--flow", "flow.json", "--event", "none.json"), 2, "none.json")
        shell.write("event.json", {"price": "12"})
        one_line(
            await _run(shell, "--flow", "flow.json", "--event", "event.json"), 2, "price: expected a number"
        )
        refused = await _run(shell, "--template", "https://t.er/?{click|sha265}")
        assert (refused.returncode, "sha256" in refused.stderr, refused.stdout) == (2, True, "")
        dry = await _run(shell, "--template", receiver.url("/x"), POSTBACKS_SENDING="dry-run")
        one_line(dry, 1, "POSTBACKS_SENDING=dry-run")
        closed = await _run(shell, "--template", receiver.url("/x"), POSTBACKS_ALLOW_NETWORKS="")
        assert (closed.returncode, "verdict: blocked" in closed.stdout) == (1, True)
        assert "POSTBACKS_ALLOW_NETWORKS" in closed.stderr
        assert receiver.requests == []


async def test_a_receiver_that_cannot_be_reached_is_an_answer_too(shell: Shell) -> None:
    done = await _run(shell, "--template", "http://127.0.0.1:1/x", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["rule"]) == (1, "retry", "default: connect")
    assert told["response_status"] is None
    secret = await _run(shell, "--template", "http://127.0.0.1:1/?{secret.nope}")
    assert (secret.returncode, "error: secret nope is not set" in secret.stdout) == (1, True)
