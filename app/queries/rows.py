"""What the queries give back: one type for each, named after the columns. Times are aware, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the log as a list shows it: without headers and bodies."""

    logged_at: datetime
    requested_at: datetime
    outcome: str
    reason: str
    flow_id: str
    postback_id: str
    event: str
    event_id: str
    lead_id: str
    lead_seq: int
    click_id: str
    request_id: str
    attempt: int
    attempt_id: str
    replay: int
    backfilled: bool
    method: str
    host: str
    url: str
    response_status: int | None
    verdict: str
    error: str
    duration_ms: float | None
    queued_ms: float | None
    next_attempt_at: datetime | None
    price: Decimal | None
    currency: str
    geo: str
    utm_source: str
    utm_campaign: str
    utm_content: str
    utm_term: str
    utm_medium: str
    subid: str
    log_partition: int
    log_offset: int
    log_index: int

    @property
    def cursor(self) -> str:
        """Its place in the list: the rows after it are asked for with it."""
        ms = round(self.logged_at.timestamp() * 1000)
        return f"{ms}.{self.log_partition}.{self.log_offset}.{self.log_index}"


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of the log with everything it holds."""

    logged_at: datetime
    requested_at: datetime
    request_id: str
    attempt: int
    attempt_id: str
    attempts: int
    replay: int
    backfilled: bool
    event_id: str
    lead_id: str
    lead_seq: int
    lead_flow_id: str
    click_id: str
    flow_id: str
    flow_version: int
    postback_id: str
    event: str
    outcome: str
    reason: str
    verdict: str
    rule: str
    method: str
    host: str
    url: str
    request_headers: dict[str, str]
    request_body: str
    response_status: int | None
    response_headers: dict[str, str]
    response_body: str
    error: str
    duration_ms: float | None
    queued_ms: float | None
    next_attempt_at: datetime | None
    price: Decimal | None
    currency: str
    geo: str
    utm_source: str
    utm_campaign: str
    utm_content: str
    utm_term: str
    utm_medium: str
    subid: str
    worker: str
    source_topic: str
    request_partition: int
    request_offset: int
    request_index: int
    log_partition: int
    log_offset: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Counted:
    """One group of the statistics: what it is grouped by, its counts, its latency quantiles (None: no send).

    `duration_…` is the receiver's time to answer, `queued_…` from the lead event to the send.
    """

    group: dict[str, str]
    rows: int
    sends: int
    delivered: int
    retrying: int
    failed: int
    parked: int
    discarded: int
    skipped: int
    rejected: int
    blocked: int
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    duration_p99_ms: float | None
    queued_p50_ms: float | None
    queued_p95_ms: float | None
    queued_p99_ms: float | None
