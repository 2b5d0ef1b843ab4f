"""The published vectors of Standard Webhooks, through the function and as they arrive at a receiver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.kit.secrets import Secrets
from app.kit.signing import sign
from app.messages.request import Delivery
from app.outbound.answers import Answer
from app.outbound.courier import Courier
from tests.outbound import LOOPBACK, request
from tests.receivers import Receiver

_FILE = Path(__file__).with_name("standard_webhooks.jsonl")
_VECTORS = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
each = pytest.mark.parametrize("vector", _VECTORS, ids=[vector["id"] for vector in _VECTORS])


@each
def test_a_published_signature_comes_out(vector: dict[str, Any]) -> None:
    made = sign(vector["secret"], vector["id"], vector["timestamp"], vector["body"].encode())
    assert made == vector["signature"]


@each
async def test_a_published_signature_arrives_with_its_id_and_time(vector: dict[str, Any]) -> None:
    secrets = Secrets({"POSTBACKS_SECRET_HOOK": vector["secret"]})
    at_ms = vector["timestamp"] * 1000 + 999
    async with (
        Receiver() as receiver,
        Courier(secrets, LOOPBACK.open_socket, unix_ms=lambda: at_ms) as courier,
    ):
        sent = request(
            receiver.url(),
            method="POST",
            body=vector["body"],
            delivery=Delivery(sign_with="hook"),
            request_id=vector["id"],
        )
        assert isinstance(await courier.send(sent), Answer)
        (seen,) = receiver.requests
    assert seen.body == vector["body"].encode()
    assert seen.header(b"webhook-id") == vector["id"].encode()
    assert seen.header(b"webhook-timestamp") == str(vector["timestamp"]).encode()
    assert seen.header(b"webhook-signature") == vector["signature"].encode()
