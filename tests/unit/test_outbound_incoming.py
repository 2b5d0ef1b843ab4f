"""A request that this worker could not send as it is meant is refused as a whole, never half understood."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from app.flows.verdict import Verdict
from app.messages.envelope import UNREADABLE
from app.messages.request import Delivery
from app.outbound.incoming import read_request
from app.templates.text import Slot
from tests.outbound import request

SOUND = request(
    ["http://t.example/", Slot("fb", "path", "|lower|sha256")],
    headers={"X": [Slot("a", "header"), "b"]},
    body=[Slot("c", "json-string")],
    delivery=Delivery(verdict=(Verdict("ok", status="2xx", match="^ok"), Verdict("final", json="a[0].b"))),
)


def test_a_request_is_read_as_it_was_written() -> None:
    assert read_request(msgspec.json.encode(SOUND)) == SOUND


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (
            "link",
            ["http://t.example/", {"secret": "fb", "place": "path", "filters": "|rot13"}],
            "secret.fb: ",
        ),
        ("headers", {"X": [{"secret": "fb", "place": "header", "filters": "|lower:x"}]}, "secret.fb: "),
        ("body", [{"secret": "fb", "place": "nowhere"}], "Invalid enum value 'nowhere'"),
        ("delivery", {"verdict": [{"then": "ok", "match": "("}]}, "verdict[0].match: "),
        ("delivery", {"verdict": [{"then": "ok", "status": "xx"}]}, "verdict[0].status: "),
        ("delivery", {"verdict": [{"then": "ok", "json": "[["}]}, "verdict[0].json: "),
        ("delivery", {"verdict": [{"then": "later", "status": "200"}]}, "Invalid enum value 'later'"),
        ("delivery", {"timeout_s": 1e300}, "Expected `float` <= 30.0"),
        ("delivery", {"max_attempts": 0}, "Expected `int` >= 1"),
        ("attempts", -1, "Expected `int` >= 0"),
        ("due_at", 10**30, "Expected `int` <= 9007199254740992"),
    ],
)
def test_what_this_worker_does_not_know_is_refused_with_the_place(
    place: str, value: Any, reason: str
) -> None:
    told = {**json.loads(msgspec.json.encode(SOUND)), place: value}
    with pytest.raises(UNREADABLE) as refused:
        read_request(json.dumps(told).encode())
    assert str(refused.value).startswith(reason)
