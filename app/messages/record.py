"""A log record: the value of `postback-log`, one for each attempt, skip and rejection.

It becomes one row of `postback_log` and holds everything that the row shows: LOG joins nothing.
Texts are masked and capped before a record is made. Times are Unix milliseconds.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import msgspec

from app.messages.request import Tags

Outcome = Literal["delivered", "retrying", "failed", "parked", "discarded", "skipped", "rejected", "blocked"]


class Address(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a value lies: partition, offset and index within the record's envelope."""

    partition: int
    offset: int
    index: int = 0


class LogRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of the postback log.

    `logged_at` is when the record was made; `attempt` counts sends from 1 and is 0 for a row without a
    sending; `attempts` counts the sends so far, and the row of a sending may leave it out. `attempt_id` is
    random for a sending, else a hash of the source record's address, postback, replay, attempt and outcome.
    `backfilled`: a backfill made its request.
    `source` is the address of the record it comes from: the lead event of a skip or rejection, the request
    of an attempt. `queued_ms` is from `requested_at` to the send.
    """

    logged_at: int
    requested_at: int
    outcome: Outcome
    attempt_id: str
    source: Address
    source_topic: str
    reason: str = ""
    request_id: str = ""
    attempt: int = 0
    replay: int = 0
    event_id: str = ""
    lead_id: str = ""
    lead_seq: int = 0
    lead_flow_id: str = ""
    click_id: str = ""
    flow_id: str = ""
    flow_version: int = -1
    postback_id: str = ""
    event: str = ""
    verdict: str = ""
    rule: str = ""
    method: str = ""
    host: str = ""
    url: str = ""
    request_headers: dict[str, str] = {}
    request_body: str = ""
    response_status: int | None = None
    response_headers: dict[str, str] = {}
    response_body: str = ""
    error: str = ""
    duration_ms: float | None = None
    queued_ms: float | None = None
    next_attempt_at: int | None = None
    price: float | None = None
    currency: str = ""
    geo: str = ""
    tags: Tags = Tags()
    worker: str = ""
    attempts: int = 0
    backfilled: bool = False


def unsent_id(
    source_topic: str,
    source: Address,
    postback_id: str,
    replay: int,
    attempt: int,
    outcome: Outcome,
    event: str = "",
) -> str:
    """The `attempt_id` of a row without a sending: the same whenever its source record is read again.

    `event` tells apart the rows without a postback of one record: a late status, and the goal with it.
    """
    identity = (source_topic, source, postback_id, replay, attempt, outcome, event)
    return blake2b(msgspec.json.encode(identity), digest_size=16).hexdigest()
