"""A rendered request: the value of `postback-requests` and of the retry topics.

Everything that OUTBOUND needs is in it: it looks up no flow and no lead. Secrets are slots
(`templates.text.Slot`), never values. Times are Unix milliseconds.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from app.flows.delivery import Delivery
from app.templates.text import Text

__all__ = ["Count", "Delivery", "Origin", "Request", "Tags", "UnixMs"]

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
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


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request to one receiver, with the attempts made so far.

    `attempts` counts sends. `due_at` is when it may be sent next; `replay` is 0, or 1, 2, … for a replay.
    `put_offs` says how often in a row it was put off since its last send, which was no attempt.
    `dry_run`: it gets its row and is not sent. `released` is the offset, in `postback-states`, of the state
    that it was parked under and let go from: it is sent unless its postback was parked anew since.
    `traceparent` is of the span that made it, where its lead event is traced.
    `ignore_deadline`: an operator sends it though its deadline is over. `backfilled`: a backfill made it,
    long after its event.
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
    traceparent: str | None = None
    backfilled: bool = False
