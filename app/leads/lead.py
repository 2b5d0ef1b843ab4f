"""A lead as it is now: what the `leads` table stores, the fold of the lead's events.

A value that was never told and one that was cleared are both None; a tag or meta field that was cleared
stays as a key with None, because a tag without a value is still a tag that the lead has. Stored as a
MessagePack array: new fields go to the end of a class, with a default, and none is ever taken out.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.leads.events import Scalar

SEEN_LIMIT = 64
SEEN_BYTES = 8
SENT_LIMIT = 32


class Click(Struct, frozen=True, array_like=True):
    """The click that the lead came by."""

    id: str | None = None
    ip: str | None = None
    ua: str | None = None
    geo: str | None = None
    lang: str | None = None
    referer: str | None = None
    url: str | None = None


class Customer(Struct, frozen=True, array_like=True):
    """The person."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    comment: str | None = None


class Sent(Struct, frozen=True, array_like=True):
    """The request last emitted for one postback of the flow that holds it: its fingerprint and its id."""

    flow_id: str
    postback_id: str
    fingerprint: bytes
    request_id: str


class Lead(Struct, frozen=True, array_like=True):
    """The folded lead and what JOIN must remember beside it.

    `seq` counts the folded events. `status_at` is the time of the event that set the status, `touched_at`
    the newest record timestamp of a folded event, from which expiry counts; both in Unix milliseconds.
    `seen` holds the hashes of the last 64 event ids, 8 bytes each, oldest first; `sent` the last emitted
    request of the 32 latest postbacks, oldest first.
    """

    lead_id: str
    flow_id: str
    status: str
    status_at: int
    touched_at: int
    seq: int
    goal: str | None = None
    price: int | float | None = None
    currency: str | None = None
    reason: str | None = None
    uid: str | None = None
    click: Click = Click()
    tags: dict[str, Scalar] = {}
    customer: Customer = Customer()
    meta: dict[str, Scalar] = {}
    seen: bytes = b""
    sent: tuple[Sent, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Lead)


def encode_lead(lead: Lead) -> bytes:
    """The lead as the table stores it."""
    return _encoder.encode(lead)


def decode_lead(value: bytes) -> Lead:
    """The lead that the table stored.

    Raises `msgspec.DecodeError` when the bytes are no lead.
    """
    return _decoder.decode(value)
