"""The values of every topic and table: how the present code writes them, and what it reads in stored ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from app.flows.config import parse
from app.flows.verdict import Verdict
from app.leads.events import decode
from app.leads.lead import Click, Customer, Lead, Sent, decode_lead, encode_lead
from app.messages.envelope import pack, unpack
from app.messages.erasure import Erasure, decode_erasure
from app.messages.record import Address, LogRecord
from app.messages.request import Origin, Request, Tags
from app.messages.state import PostbackState, decode_state
from app.templates.program import Program
from app.templates.text import Slot

FOLDER = Path(__file__).parent
_EXAMPLES = FOLDER.parents[1] / "schemas" / "examples"
_TAGS = Tags("fb", "Summer Sale", "c1", "t1", "cpc", "s-1")
_FLOW = parse((_EXAMPLES / "flow-config.list.json").read_bytes(), version=41)
_ORIGIN = Origin(
    event_id="01JD3W0Q5M7Z",
    lead_id="L-1001",
    lead_seq=3,
    flow_id="F-7",
    flow_version=41,
    postback_id="fb",
    event="approve",
    requested_at=1795446000150,
    occurred_at=1795446000123,
    lead_flow_id="F-8",
    click_id="c-9",
    price=12.5,
    currency="usd",
    geo="UA",
    tags=_TAGS,
)
_REQUEST = Request(
    request_id="748f0b41b20f0cf34a4d3dc96498c0ae",
    method="POST",
    host="graph.facebook.com",
    link="https://graph.facebook.com/v26.0/123/events",
    headers={"Authorization": ["Bearer ", Slot("fb", "header")]},
    body=["access_token=", Slot("fb", "pair", "|lower"), "&data=%5B%5D"],
    origin=_ORIGIN,
    due_at=1795446005150,
    delivery=structs.replace(
        _FLOW.postbacks[0].delivery,
        on_newer="drop",
        waits_s=(5.0, 300.0),
        mask=False,
        tokens=("t0ken",),
        rate_limit_per_s=2.5,
        idempotency_header="Idempotency-Key",
        sign_with="hook",
        verdict=(
            Verdict("final", "200", "code", "X-Code", "(?i)no", (1,), (0,)),
            Verdict("throttle", "429", retry_after="parameters.retry_after"),
        ),
        timeout_s=9.5,
    ),
    attempts=2,
    replay=1,
    put_offs=3,
    dry_run=True,
    released=17,
    ignore_deadline=True,
    backfilled=True,
)
_ROW = LogRecord(
    logged_at=1795446000420,
    requested_at=1795446000150,
    outcome="retrying",
    attempt_id="b7e0c1d4f2a94c5d8e6f",
    source=Address(3, 77, 5),
    source_topic="postbacks.postback-requests",
    reason="status 503",
    request_id="748f0b41b20f0cf34a4d3dc96498c0ae",
    attempt=2,
    replay=1,
    event_id="01JD3W0Q5M7Z",
    lead_id="L-1001",
    lead_seq=3,
    lead_flow_id="F-8",
    click_id="c-9",
    flow_id="F-7",
    flow_version=41,
    postback_id="fb",
    event="approve",
    verdict="retry",
    rule="default: 5xx",
    method="POST",
    host="graph.facebook.com",
    url="https://graph.facebook.com/v26.0/123/events",
    request_headers={"Authorization": "•••"},
    request_body="access_token=•••",
    response_status=503,
    response_headers={"Retry-After": "5"},
    response_body="später",
    error="none",
    duration_ms=183.4,
    queued_ms=86.0,
    next_attempt_at=1795446005150,
    price=12.5,
    currency="usd",
    geo="UA",
    tags=_TAGS,
    worker="w1",
    attempts=2,
    backfilled=True,
)
_LEAD = Lead(
    lead_id="L-1001",
    flow_id="F-7",
    status="approve",
    status_at=1795446000123,
    touched_at=1795446000150,
    seq=3,
    goal="deposit",
    price=12.5,
    currency="usd",
    reason="none",
    uid="A-55",
    click=Click("c-9", "203.0.113.7", "Mozilla/5.0", "UA", "uk", "https://a.example/", "https://b.example/"),
    tags={"utm_source": "fb", "adid": "AD_7", "cleared": None, "n": 3, "yes": True},
    customer=Customer("Olha", "+380501234567", "test@example.com", "after 5"),
    meta={"plan": "gold", "visits": 3},
    seen=bytes(range(16)),
    sent=(Sent("F-7", "fb", b"0123456789abcdef", "748f0b41b20f0cf34a4d3dc96498c0ae"),),
)


def written() -> dict[str, bytes]:
    """Every value as this version writes it, by the name of its file."""
    [(requests, _)] = pack([msgspec.json.encode(_REQUEST)] * 2)
    [(rows, _)] = pack([msgspec.json.encode(_ROW)])
    return {
        "lead-events.json": (_EXAMPLES / "lead-event.new.json").read_bytes(),
        "flow-configs.json": (_EXAMPLES / "flow-config.list.json").read_bytes(),
        "lead-erasures.json": msgspec.json.encode(Erasure("L-1001", 1795446000150)),
        "postback-states.json": msgspec.json.encode(
            PostbackState("parked", "status 401", 1795446000150, "w1")
        ),
        "postback-requests.json": requests,
        "postback-parked.json": msgspec.json.encode(_REQUEST),
        "postback-log.json": rows,
        "leads-changelog.msgpack": encode_lead(_LEAD),
        "newest_delivered-changelog.msgpack": msgspec.msgpack.encode((3, 1795446000150)),
    }


READERS: dict[str, Callable[[bytes], Any]] = {
    "lead-events.json": decode,
    "flow-configs.json": lambda value: parse(value, version=41),
    "lead-erasures.json": decode_erasure,
    "postback-states.json": decode_state,
    "postback-requests.json": lambda value: [msgspec.json.decode(one, type=Request) for one in unpack(value)],
    "postback-parked.json": lambda value: msgspec.json.decode(value, type=Request),
    "postback-log.json": lambda value: [msgspec.json.decode(one, type=LogRecord) for one in unpack(value)],
    "leads-changelog.msgpack": decode_lead,
    "newest_delivered-changelog.msgpack": lambda value: msgspec.msgpack.decode(value, type=tuple[int, int]),
}


def told(value: Any) -> Any:
    """What was read, every field by its name, defaults too: what JSON can hold. Code in it is left out."""
    if isinstance(value, msgspec.Struct):
        return told(structs.asdict(value))
    if dataclasses.is_dataclass(value):
        return told({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return {str(key): told(one) for key, one in value.items() if not isinstance(one, Program | Callable)}
    if isinstance(value, (list, tuple)):
        return [told(one) for one in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)
