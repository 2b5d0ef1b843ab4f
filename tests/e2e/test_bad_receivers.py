"""Receivers that misbehave, through the whole pipeline: each send ends, has its row, holds up no other."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, Script, answer, drip, flood, never, raw, reset
from tests.workers import Installation, everything, installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_Row = tuple[int, str, str, str]
"""Attempt, outcome, verdict, and how the reason begins."""


@dataclass(frozen=True)
class Case:
    """A receiver's script, what its postback says, and the rows that follow; `link` where there is none."""

    name: str
    rows: list[_Row]
    scripts: tuple[Script, ...] = ()
    link: str = "{link}?l={id}"
    attempts: int = 1
    event: dict[str, Any] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=dict)
    deadline_s: float = 600

    def flow(self, link: str) -> dict[str, Any]:
        postback = {
            "id": "p",
            "on": ["new"],
            "template": self.link.replace("{link}", link),
            "timeout_s": 1,
            "retry": {"max_attempts": self.attempts, "deadline_s": self.deadline_s, "waits_s": [4, 1]},
            **self.says,
        }
        return {"flow_id": self.name, "postbacks": [postback]}


def _last(reason: str) -> list[_Row]:
    """A send that was to be tried again, were it not the last."""
    return [(1, "failed", "retry", f"attempt 1 of 1 was the last: {reason}")]


def _no(verdict: str, reason: str) -> list[_Row]:
    return [(1, "failed", verdict, reason)]


_OK = "HTTP/1.1 200 OK\r\n"
_CASES = [
    Case("garbage", _last("the answer is not HTTP"), (raw(b"\x00\xff nobody speaks so \r\n\r\n"),)),
    Case("never", _last("no answer within 1 s"), (never(),)),
    Case("drips-head", _last("no answer within 1 s"), (drip(_OK.encode() + b"X: "),)),
    Case(
        "drips-body",
        _last("status 200, but the body was not complete within 1 s"),
        (drip(f"{_OK}Content-Length: 99999\r\n\r\n".encode()),),
    ),
    Case("for-ever", [(1, "delivered", "ok", "status 200")], (flood(f"{_OK}\r\n".encode(), b"x" * 65536),)),
    Case(
        "half",
        _last("status 200, but the answer broke off after 4 bytes of its body"),
        (raw(f"{_OK}Content-Length: 100\r\n\r\nhalf".encode()),),
    ),
    Case("closes", _last("closed without an answer"), (raw(),)),
    Case("resets", _last("the connection broke: Connection reset by peer"), (reset(),)),
    Case("many-headers", _last("the answer has over "), (raw(_OK.encode() + b"A: b\r\n" * 5000 + b"\r\n"),)),
    Case(
        "redirects",
        _no("final", "status 302: redirects are not followed; Location: http://127.0.1.200/elsewhere"),
        (answer(302, headers=[("Location", "http://127.0.1.200/elsewhere")]),),
    ),
    Case(
        "error-inside",
        _no("final", "status 200, code is 7"),
        (answer(200, b'{"code":7,"error":"no such click"}'),),
        says={"verdict": [{"status": "200", "json": "code", "not": 0, "then": "final"}]},
    ),
    Case(
        "error-outside",
        [(1, "delivered", "ok", "status 500, the body matches (?i)duplicate")],
        (answer(500, b"Duplicate conversion"),),
        says={"verdict": [{"status": "500", "match": "(?i)duplicate", "then": "ok"}]},
    ),
    Case("gone", _no("final", "status 410"), (answer(410),)),
    Case("auth", [(1, "failed", "auth", "attempt 1 of 1 was the last: status 401: ")], (answer(401),)),
    Case(
        "throttles",
        [
            (1, "retrying", "throttle", "status 429, asked to wait 1 s"),
            (2, "delivered", "ok", "status 200"),
        ],
        (answer(429, headers=[("Retry-After", "1")]), answer(200)),
        attempts=3,
    ),
    Case(
        "recovers",
        [
            (1, "retrying", "retry", "status 503"),
            (2, "retrying", "retry", "closed without an answer"),
            (3, "delivered", "ok", "status 204"),
        ],
        (answer(503), raw(), answer(204)),
        attempts=5,
    ),
    Case(
        "gives-up",
        [
            (1, "retrying", "retry", "status 500"),
            (2, "failed", "retry", "attempt 2 of 2 was the last: status 500"),
        ],
        (answer(500),),
        attempts=2,
    ),
    Case(
        "deadline",
        _no("retry", "no retry after attempt 1, past the deadline of 3 s after the event: status 503"),
        (answer(503),),
        attempts=9,
        deadline_s=3,
    ),
    Case(
        "too-old",
        [(0, "failed", "", "past the deadline of 600 s after the event")],
        (answer(200),),
        event={"occurred_at": "2020-01-01T00:00:00Z"},
    ),
    Case("metadata", [(1, "blocked", "blocked", "address 169.254.169.254 is not allowed")],
         link="http://169.254.169.254/latest/meta-data", attempts=9),
    Case("private", [(1, "blocked", "blocked", "address 10.0.0.1 is not allowed")],
         link="http://10.0.0.1/", attempts=9),
    Case("disguised", [(1, "blocked", "blocked", "address ::ffff:10.0.0.1 is not allowed")],
         link="http://[::ffff:10.0.0.1]/", attempts=9),
    Case("refused", _last("no connection: Connection refused"), link="http://127.0.1.250:1/"),
    Case("nameless", _last("the name does not resolve"), link="http://nowhere.invalid/"),
    Case("silent-tls", _last("no connection within 1 s"), (never(),), link="https{link}"),
    Case("unset", _no("final", "secret unset is not set"), (answer(200),), link="{link}{secret.unset}"),
]  # fmt: skip


def _event(name: str, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"{name}-1", "lead_id": name, "flow_id": name, "status": "new", **fields}


async def _receivers(stack: AsyncExitStack, *cases: Case) -> dict[str, Receiver]:
    """A receiver for each case, on an address of its own: limits and failures are a host's."""
    made = {}
    for number, case in enumerate(cases, 1):
        if case.scripts:
            receiver = Receiver(*case.scripts, host=f"127.0.1.{number}")
            made[case.name] = await stack.enter_async_context(receiver)
    return made


def _link_of(case: Case, receivers: dict[str, Receiver]) -> str:
    link = receivers[case.name].url() if case.name in receivers else ""
    return link.removeprefix("http") if case.link.startswith("https") else link


_Found = dict[str, list[_Row]]


async def _ended(made: Installation, names: set[str]) -> _Found:
    """The rows of each lead, when each lead's last row is no retry."""
    found: _Found = {name: [] for name in names}
    rows = await made.rows("lead_id, attempt, outcome, verdict, reason", order="lead_id, logged_at, attempt")
    for lead, *row in rows:
        if lead in found:
            found[lead].append((row[0], row[1], row[2], row[3]))
    return found if all(rows and rows[-1][1] != "retrying" for rows in found.values()) else {}


async def test_whatever_a_receiver_does_the_send_ends_with_its_rows(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(installation(kafka, clickhouse, tmp_path))
        receivers = await _receivers(stack, *_CASES)
        await made.apply(*(case.flow(_link_of(case, receivers)) for case in _CASES))
        worker = await made.start().ready()
        await made.send(*(_event(case.name, **case.event) for case in _CASES))
        names = {case.name for case in _CASES}
        found = await until(lambda: _ended(made, names), worker.tail, timeout_s=90)
        for case in _CASES:
            assert [row[:3] for row in found[case.name]] == [row[:3] for row in case.rows], found[case.name]
            for row, wanted in zip(found[case.name], case.rows, strict=True):
                assert row[3].startswith(wanted[3]), (case.name, row)
            if case.name in receivers and case.name != "silent-tls":
                sent = sum(attempt > 0 for attempt, *_ in case.rows) if case.name != "unset" else 0
                assert len(receivers[case.name].requests) == sent, case.name
        [stored] = await made.rows("length(response_body)", "lead_id = 'for-ever'")
        assert stored == (16 * 1024,)
        assert await worker.stop() == 0, worker.tail()


async def test_a_cookie_is_not_sent_back(kafka: Kafka, clickhouse: Database, tmp_path: Path) -> None:
    jar = Case("jar", [], (answer(200, headers=[("Set-Cookie", "a=b; Path=/"), ("Set-Cookie", "c=d")]),))
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(installation(kafka, clickhouse, tmp_path))
        receivers = await _receivers(stack, jar)
        await made.apply(jar.flow(receivers["jar"].url()))
        worker = await made.start().ready()
        for number in range(3):
            await made.send({**_event(f"L-{number}"), "flow_id": "jar"})
            await receivers["jar"].arrived(number + 1, within_s=60)
        await until(lambda: made.rows("lead_id", n=3), worker.tail)
        assert len(receivers["jar"].requests) == 3
        assert [request.header(b"Cookie") for request in receivers["jar"].requests] == [None] * 3
        [shown, *_] = await made.rows("response_headers")
        assert shown[0]["Set-Cookie"] == "a=b; Path=/, c=d"


_SECRET = 'S3cr€t/"val ue&x'


def _echo(status: int) -> Script:
    """Says back all that it was sent, as it came, in its body and its headers."""

    async def play(exchange: Exchange) -> None:
        received = exchange.received
        headers = [
            ("Location", f"http://other.example{received.target.decode()}"),
            ("X-Seen", (received.header(b"X-Token") or b"").decode()),
        ]
        await answer(status, received.head + received.body + _SECRET.encode(), headers)(exchange)

    return play


def _half() -> Script:
    """An answer that breaks off within the secret, which it writes as PHP writes JSON."""
    written = json.dumps(_SECRET)[1:-1].replace("/", "\\/")
    return raw(f"{_OK}Content-Length: 999\r\n\r\n".encode() + f'{{"seen":"{written[:-4]}'.encode())


_LONG = json.dumps({"seen": "x" * 292 + _SECRET}).encode()
_TELLTALES = [
    Case("tells-half", [], (_half(), answer(200)), attempts=2),
    Case(
        "tells-why",
        [],
        (answer(200, _LONG),),
        says={"verdict": [{"json": "seen", "not": 0, "then": "final"}]},
    ),
    Case("echoes", [], (_echo(200),)),
    Case("echoes-redirect", [], (_echo(302),)),
    Case("echoes-retry", [], (_echo(503), _echo(200)), attempts=3),
    Case("echoes-refused", [], link="http://127.0.1.250:1/"),
]


def _telling(case: Case, link: str) -> dict[str, Any]:
    """A postback with the secret wherever one may stand."""
    link = link or case.link
    template = f'{link}{{secret.s}}/x?q={{secret.s}}&h={{secret.s|sha256}}|JSON|{{"s":"{{secret.s}}"}}'
    headers = {"X-Token": "{secret.s}", "X-Digest": "{secret.s|md5}"}
    postback = {**case.flow(link)["postbacks"][0], "template": template, "headers": headers}
    return {"flow_id": case.name, "postbacks": [postback]}


async def test_a_secret_is_sent_and_is_nowhere_else(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(installation(kafka, clickhouse, tmp_path))
        receivers = await _receivers(stack, *_TELLTALES)
        await made.apply(*(_telling(c, _link_of(c, receivers)) for c in _TELLTALES))
        worker = await made.start(POSTBACKS_SECRET_s=_SECRET, POSTBACKS_LOG_LEVEL="debug").ready()
        await made.send(*(_event(case.name) for case in _TELLTALES))
        await until(lambda: _ended(made, {case.name for case in _TELLTALES}), worker.tail)
        assert await worker.stop() == 0, worker.tail()
        [sent] = receivers["echoes"].requests
        assert quote(_SECRET, safe="").encode() in sent.target
        assert json.loads(sent.body) == {"s": _SECRET}
        [shown] = await made.rows("url, request_body, response_body", "lead_id = 'echoes'")
        assert "q=•••" in shown[0]
        assert shown[1] == '{"s":"•••"}'
        assert "•••" in shown[2]
        for place, text in (await everything(made, worker)).items():
            for written in _writings(sent.target):
                assert written not in text, f"{written!r} in {place}"


def _writings(target: bytes) -> list[bytes]:
    """The secret and what filters made of it, in each way in which it could have been written."""
    digest = target.partition(b"&h=")[2].partition(b"&")[0]
    assert len(digest) == 64
    in_json = [json.dumps(_SECRET, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    plain = [_SECRET, quote(_SECRET, safe=""), quote(_SECRET), *in_json]
    return [*(text.encode() for text in plain), digest, b"S3cr"]
