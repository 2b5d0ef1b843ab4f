"""A worker's way out: through a proxy, from a chosen address, signed, with a secret that changes."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from app.kit.signing import sign
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.proxies import ForwardProxy
from tests.receivers import Exchange, Receiver, Script, answer
from tests.workers import everything, installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.timeout(180)]

_PASSWORD = "pr0xy:p@ss/word"
_BASIC = b"Basic " + b64encode(f"me:{_PASSWORD}".encode())
_OLD, _NEW, _KEY = "0ld-t0ken-value", "new-t0ken-value", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _first_refuse(changes: Path) -> Script:
    """503 to the first request, after which the token is another; then 200. All is said back."""

    async def play(exchange: Exchange) -> None:
        head = exchange.received.head
        if _OLD.encode() in head:
            (changes / "next").write_text(_NEW)
            (changes / "next").rename(changes / "token")
        said = head + b64encode(head) + _KEY.encode()
        await answer(503 if _OLD.encode() in head else 200, said)(exchange)

    return play


async def test_a_worker_signs_and_reads_secrets_anew_behind_its_proxy(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "token").write_text(_OLD)
    (secrets / "hook").write_text(f"{_KEY} a-second-key-of-24-bytes")
    async with (
        installation(kafka, clickhouse, tmp_path) as made,
        Receiver(_first_refuse(secrets)) as receiver,
        ForwardProxy(needs=_BASIC) as proxy,
    ):
        postback = {
            "id": "p",
            "on": ["new"],
            "template": f'{receiver.url("/x")}|JSON|{{"l":"{{id}}"}}',
            "headers": {"X-Token": "{secret.token}"},
            "sign_with": "hook",
            "idempotency_header": "Idempotency-Key",
        }
        inside = {"id": "in", "on": ["new"], "template": "http://10.0.0.1/?l={id}"}
        await made.apply({"flow_id": "F-1", "postbacks": [postback, inside]})
        worker = await made.start(
            POSTBACKS_PROXY=f"http://me:pr0xy%3Ap%40ss%2Fword@127.0.0.1:{proxy.port}",
            POSTBACKS_SOURCE_ADDRESS="127.0.0.7",
            POSTBACKS_SECRETS_DIR=str(secrets),
            POSTBACKS_LOG_LEVEL="debug",
        ).ready()
        await made.send({"event_id": "e-1", "lead_id": "L-1", "flow_id": "F-1", "status": "new"})
        rows = await until(
            lambda: made.rows("postback_id, attempt, outcome, request_id, request_headers", n=3), worker.tail
        )
        metrics = worker.get("/metrics")[1]
        assert await worker.stop() == 0, worker.tail()
        first, second = receiver.requests
        kept = await everything(made, worker)
    assert sorted(row[:3] for row in rows) == [
        ("in", 1, "blocked"),
        ("p", 1, "retrying"),
        ("p", 2, "delivered"),
    ]
    assert set(proxy.asked) == {f"127.0.0.1:{receiver.port}".encode()}
    assert set(proxy.peers) == {"127.0.0.7"}
    [request_id] = {row[3] for row in rows if row[0] == "p"}
    assert [one.header(b"X-Token") for one in (first, second)] == [_OLD.encode(), _NEW.encode()]
    for seen in (first, second):
        assert seen.header(b"Idempotency-Key") == seen.header(b"webhook-id") == request_id.encode()
        at_s = int(seen.header(b"webhook-timestamp") or b"")
        signature = sign(f"{_KEY} a-second-key-of-24-bytes", request_id, at_s, b'{"l":"L-1"}')
        assert seen.header(b"webhook-signature") == signature.encode()
    assert first.header(b"webhook-timestamp") != second.header(b"webhook-timestamp")
    assert {row[4]["Idempotency-Key"] for row in rows if row[0] == "p"} == {request_id}
    for place, text in {**kept, "metrics": metrics.encode()}.items():
        for value in (_OLD, _NEW, _KEY, _KEY.removeprefix("whsec_"), "a-second-key"):
            assert value.encode() not in text, f"{value} in {place}"
            assert b64encode(value.encode())[:-4] not in text, f"{value} in base64 in {place}"
    assert _PASSWORD.encode() not in kept["log"]
