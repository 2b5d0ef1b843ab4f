"""The addresses of pages. Pure."""

from __future__ import annotations

from urllib.parse import quote

from app.queries.rows import Listed, Shown

LOG = "/logs/outgoing-postbacks"


def show_link(row: Listed | Shown) -> str:
    """Where a row is shown with all its request's attempts; one without a request by itself."""
    return request_link(row.request_id or row.attempt_id)


def request_link(id_: str) -> str:
    """Where a request is shown, by its id."""
    return f"{LOG}/{quote(id_, safe='')}"


def lead_link(lead_id: str) -> str:
    """Where a lead's story is told."""
    return f"/leads/{quote(lead_id, safe='')}"


FLOWS = "/flows"
NEW_FLOW = "/new-flow"


def flow_link(flow_id: str) -> str:
    """Where a flow is edited."""
    return f"{FLOWS}/{quote(flow_id, safe='')}"


def parked_link(flow_id: str, postback_id: str) -> str:
    """Where a postback is parked, released and discarded."""
    return f"{flow_link(flow_id)}/parked/{quote(postback_id, safe='')}"
