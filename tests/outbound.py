"""Requests as JOIN would render them, for tests of what happens to them afterwards."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from app.messages.request import Delivery, Origin, Request
from app.outbound.guard import Guard
from app.templates.text import Text

LOOPBACK = Guard([ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")])
OCCURRED_AT = 1_764_000_000_000

ORIGIN = Origin(
    event_id="e-1",
    lead_id="L-1",
    lead_seq=3,
    flow_id="F-7",
    flow_version=12,
    postback_id="fb",
    event="approve",
    requested_at=OCCURRED_AT + 250,
    occurred_at=OCCURRED_AT,
)


def request(
    link: Text = "https://t.example/",
    *,
    method: str = "GET",
    headers: Mapping[str, Text] | None = None,
    body: Text | None = None,
    delivery: Delivery | None = None,
    origin: Origin = ORIGIN,
    request_id: str = "r-1",
    attempts: int = 0,
) -> Request:
    """A request with defaults for all that a test is not about."""
    first = link if isinstance(link, str) else str(link[0])
    return Request(
        request_id=request_id,
        method=method,
        host=first.partition("://")[2].partition("/")[0].partition("?")[0].rpartition(":")[0] or "t.example",
        link=link,
        headers=dict(headers or {}),
        body=body,
        origin=origin,
        due_at=origin.requested_at,
        delivery=delivery or Delivery(timeout_s=5.0),
        attempts=attempts,
    )
