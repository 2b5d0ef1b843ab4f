"""The span of a send: what it tells, and how the receiver is told of it. Pure."""

from __future__ import annotations

from msgspec import structs

from app.kit.traces import HEADER
from app.messages.record import LogRecord
from app.messages.request import Request


def with_traceparent(request: Request, traceparent: str) -> Request:
    """The request with that header, unless its postback has one of its own."""
    if any(name.lower() == HEADER for name in request.headers):
        return request
    return structs.replace(request, headers={**request.headers, HEADER: traceparent})


def attributes_of(row: LogRecord) -> dict[str, str | int | float]:
    """What a span tells of a send: ids and outcome, nothing of the person and no link."""
    told: dict[str, str | int | float] = {
        "http.request.method": row.method,
        "server.address": row.host,
        "postbacks.flow_id": row.flow_id,
        "postbacks.postback_id": row.postback_id,
        "postbacks.request_id": row.request_id,
        "postbacks.attempt": row.attempt,
        "postbacks.outcome": row.outcome,
    }
    if row.response_status is not None:
        told["http.response.status_code"] = row.response_status
    return told
