"""Secrets at work: read again when their file changes, and masked whatever the receiver says back."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import msgspec

from app.kit.secrets import Secrets
from app.kit.signing import sign
from app.messages.record import Address, LogRecord
from app.messages.request import Delivery, Request
from app.outbound.attempt import Rows
from app.outbound.courier import Courier
from app.outbound.policy import next_step
from app.outbound.verdict import judge
from app.templates.text import Slot
from tests.outbound import LOOPBACK, OCCURRED_AT, request
from tests.receivers import Exchange, Receiver, answer

_OLD, _NEW = "old-t0ken/ü", "new-t0ken/ü"


async def _echo(exchange: Exchange) -> None:
    """Says back what came: as it is, in base64, and the receiver's own keys; all of it compressed."""
    received = exchange.received
    plain = received.head + b"\n" + base64.b64encode(received.head) + b"\n" + received.head.hex().encode()
    known = (
        f"\nwanted {_OLD} or {_NEW}, signed with 0ld-key-0ld-key-0ld-key or new-key-new-key-new-key".encode()
    )
    headers = [("Content-Encoding", "gzip"), ("X-Token", (received.header(b"X-Token") or b"").decode())]
    await answer(200, gzip.compress(plain + known), headers)(exchange)


async def _attempted(courier: Courier, rows: Rows, sent: Request) -> LogRecord:
    outcome = await courier.send(sent)
    told = judge(outcome, (), OCCURRED_AT)
    step = next_step(sent, told, 1, OCCURRED_AT)
    times = {"started_ms": OCCURRED_AT, "ended_ms": OCCURRED_AT}
    return rows.attempt(sent, Address(0, 1), outcome, told, step, attempt_id="a", **times)


async def test_a_changed_file_is_sent_at_once_and_neither_value_is_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(_OLD)
    (tmp_path / "hook").write_text("0ld-key-0ld-key-0ld-key")
    secrets = Secrets({}, tmp_path)
    rows = Rows("t", "w", secrets)
    async with Receiver(_echo) as receiver, Courier(secrets, LOOPBACK.open_socket) as courier:
        sent = request(
            [receiver.url("/"), Slot("token", "path")],
            headers={"X-Token": [Slot("token", "header")]},
            delivery=Delivery(sign_with="hook"),
        )
        before = await _attempted(courier, rows, sent)
        (tmp_path / "next").write_text(_NEW)
        (tmp_path / "next").rename(tmp_path / "token")
        (tmp_path / "hook").write_text("new-key-new-key-new-key 0ld-key-0ld-key-0ld-key")
        after = await _attempted(courier, rows, sent)
        first, second = receiver.requests
    assert [one.header(b"X-Token") for one in (first, second)] == [_OLD.encode(), _NEW.encode()]
    for seen, keys in (
        (first, "0ld-key-0ld-key-0ld-key"),
        (second, "new-key-new-key-new-key 0ld-key-0ld-key-0ld-key"),
    ):
        at_s = int(seen.header(b"webhook-timestamp") or b"")
        assert seen.header(b"webhook-signature") == sign(keys, "r-1", at_s, b"").encode()
    assert before.response_body.count("•••") >= 4
    for row, gone in ((before, [_OLD, "0ld-key"]), (after, [_OLD, _NEW, "0ld-key", "new-key"])):
        shown = msgspec.json.encode(row).decode()
        for value in gone:
            assert value not in shown
            assert value.encode().hex() not in shown
        assert row.response_headers["X-Token"] == "•••"
    assert "t0ken" not in after.response_body


async def test_a_secret_that_is_taken_away_stops_the_sending(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("a-key-of-more-than-24-bytes")
    secrets = Secrets({}, tmp_path)
    rows = Rows("t", "w", secrets)
    async with Receiver() as receiver, Courier(secrets, LOOPBACK.open_socket) as courier:
        sent = request(receiver.url("/"), delivery=Delivery(sign_with="hook"))
        assert (await _attempted(courier, rows, sent)).outcome == "delivered"
        (tmp_path / "hook").unlink()
        row = await _attempted(courier, rows, sent)
        (tmp_path / "hook").write_text("whsec_!")
        wrong = await _attempted(courier, rows, sent)
        assert len(receiver.requests) == 1
    assert (row.outcome, row.rule, row.reason) == ("failed", "default: unsendable", "secret hook is not set")
    assert wrong.reason == "secret hook cannot sign: what follows whsec_ is not base64"
