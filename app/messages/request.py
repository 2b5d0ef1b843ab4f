"""A rendered request: the value of `postback-requests` and of the retry topics.

Everything that OUTBOUND needs is in it: it looks up no flow and no lead. Secrets are slots
(`templates.text.Slot`), never values. Times are Unix milliseconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.flows.config import Verdict
from app.flows.written import (
    LEAST_PER_S,
    MAX_ATTEMPTS,
    MAX_DEADLINE_S,
    MAX_WAIT_S,
    MAX_WAITS,
    MOST_PER_S,
    HeaderName,
    SecretName,
)
from app.templates.text import Text

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Wait = Annotated[float, Meta(gt=0, le=MAX_WAIT_S)]
UnixMs = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class Tags(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The six statistics tags of the lead; null where the lead has none."""

    utm_source: str | None = None
    utm_campaign: str | None = None
    utm_content: str | None = None
    utm_term: str | None = None
    utm_medium: str | None = None
    subid: str | None = None


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a request and each of its log records say of the lead event they come from.

    `flow_id` is the flow that holds the postback (`*` for a global one), `lead_flow_id` the lead's own.
    `flow_version` is the offset of the flow's record in `flow-configs`, `lead_seq` JOIN's count of the
    lead's folded events, `requested_at` the Kafka timestamp of the lead event's record (the same in a
    repeat), `occurred_at` the event's own time.
    """

    event_id: str
    lead_id: str
    lead_seq: Annotated[int, Meta(ge=0, le=2**53)]
    flow_id: str
    flow_version: Annotated[int, Meta(ge=-1, le=2**53)]
    postback_id: str
    event: str
    requested_at: UnixMs
    occurred_at: UnixMs
    lead_flow_id: str | None = None
    click_id: str | None = None
    price: float | None = None
    currency: str | None = None
    geo: str | None = None
    tags: Tags = Tags()


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the postback wants its request to be delivered (keys of the flow config, normalised).

    `waits_s` is empty for the default schedule.
    `tokens` are those that its template itself writes, which are masked where the request is shown; None:
    not known, so whatever looks like one is. `sign_with` is the name of a secret.
    """

    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 10.0
    max_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)] = 8
    deadline_s: Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S)] = 259_200.0
    on_newer: Literal["send", "drop"] = "send"
    waits_s: Annotated[tuple[Wait, ...], Meta(max_length=MAX_WAITS)] = ()
    verdict: tuple[Verdict, ...] = ()
    mask: bool = True
    tokens: tuple[str, ...] | None = None
    rate_limit_per_s: Annotated[float, Meta(ge=LEAST_PER_S, le=MOST_PER_S)] | None = None
    idempotency_header: HeaderName | None = None
    sign_with: SecretName | None = None


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request to one receiver, with the attempts made so far.

    `attempts` counts sends. `due_at` is when it may be sent next; `replay` is 0, or 1, 2, … for a replay.
    `put_offs` says how often in a row it was put off since its last send, which was no attempt.
    `dry_run`: it gets its row and is not sent. `released` is the offset, in `postback-states`, of the state
    that it was parked under and let go from: it is sent unless its postback was parked anew since.
    `ignore_deadline`: an operator replays it though its deadline is over.
    """

    request_id: str
    method: str
    host: str
    link: Text
    headers: dict[str, Text]
    body: Text | None
    origin: Origin
    due_at: UnixMs
    delivery: Delivery = Delivery()
    attempts: Count = 0
    replay: Count = 0
    put_offs: Count = 0
    dry_run: bool = False
    released: Annotated[int, Meta(ge=-1, le=2**53)] = -1
    ignore_deadline: bool = False
