"""What follows a send: delivered, again at a time, or the end. Pure: the clock is an argument.

There is one tier of 5 s now. `retry`, `throttle`, `auth` and `stop` come back after it, until the postback's
`max_attempts` or its `deadline_s`, whichever is first; where they park their postback (`parking`) the request
is kept instead. `final` ends the request.
The deadline counts from `occurred_at` and is asked before every send (`overdue`), so what waited too long
is not sent. It is asked here too: a retry that could only come back overdue ends at once, with the reason
that the receiver gave.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeAlias

import msgspec

from app.messages.request import Request
from app.outbound.verdict import Judgement

TIER_MS = 5_000
JITTER = 0.2


class Delivered(msgspec.Struct, frozen=True):
    """The receiver has it."""

    reason: str


class RetryAt(msgspec.Struct, frozen=True):
    """It is sent again at `at_ms` (Unix milliseconds) or soon after."""

    at_ms: int
    reason: str


class Parked(msgspec.Struct, frozen=True):
    """It is kept until somebody releases it."""

    reason: str


class Failed(msgspec.Struct, frozen=True):
    """It is never sent again by itself."""

    reason: str


class Blocked(msgspec.Struct, frozen=True):
    """Its receiver's address is not allowed; it is never sent again by itself."""

    reason: str


Step: TypeAlias = Delivered | RetryAt | Parked | Failed | Blocked


def next_step(request: Request, judgement: Judgement, attempt: int, now_ms: int) -> Step:
    """What follows the send number `attempt` (from 1) of `request`, which was judged at `now_ms`."""
    reason = judgement.reason
    if judgement.verdict == "ok":
        return Delivered(reason)
    if judgement.verdict == "blocked":
        return Blocked(reason)
    if judgement.verdict == "final":
        return Failed(reason)
    most = request.delivery.max_attempts
    if attempt >= most:
        return Failed(f"attempt {attempt} of {most} was the last: {reason}")
    at_ms = now_ms + max(TIER_MS, wait_ms(request.request_id, attempt, TIER_MS))
    if (late := overdue(request, at_ms)) is not None:
        return Failed(f"no retry after attempt {attempt}, {late}: {reason}")
    return RetryAt(at_ms, reason)


def overdue(request: Request, now_ms: int) -> str | None:
    """Why `request` may not be sent at `now_ms` any more; None while it may."""
    limit_s = request.delivery.deadline_s
    if now_ms <= request.origin.occurred_at + limit_s * 1000:
        return None
    return f"past the deadline of {limit_s:g} s after the event"


def wait_ms(request_id: str, attempt: int, base_ms: int) -> int:
    """`base_ms` within ±20 %, the same for every copy of this request and attempt."""
    digest = blake2b(f"{request_id}:{attempt}".encode(), digest_size=8).digest()
    part = int.from_bytes(digest, "big") / 2**64
    return round(base_ms * (1 + JITTER * (2 * part - 1)))
