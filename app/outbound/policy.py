"""What follows a send: delivered, again at a time, or the end. Pure: the clock is an argument.

| verdict | what follows |
| --- | --- |
| retry, auth, stop | again by the schedule |
| throttle | the same, but not before the receiver asked, within a cap; without that, not before 60 s |
| final | failed |
| blocked | blocked |

Where auth and stop park their postback (`parking`) the request is kept instead. The end as well when
`max_attempts` sends were made, or when the next could only be overdue. The deadline counts from
`occurred_at` and is asked before every send (`overdue`), so what waited too long is not sent.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from app.messages.request import Request
from app.outbound.schedule import wait_ms
from app.outbound.verdict import Judgement
from app.topics import DAY_MS

THROTTLED_MS = 60_000
LAST_CHANCE_MS = 20_000  # what waits in the tiers may come back some 10 s late
"""The least wait after a throttling answer that names none."""


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


class Exhausted(msgspec.Struct, frozen=True):
    """It failed because its attempts or its time are used up, whatever the receiver says."""

    limit: Literal["attempts", "deadline"]
    reason: str


class Blocked(msgspec.Struct, frozen=True):
    """Its receiver's address is not allowed; it is never sent again by itself."""

    reason: str


Step: TypeAlias = Delivered | RetryAt | Parked | Failed | Exhausted | Blocked


def next_step(
    request: Request, judgement: Judgement, attempt: int, now_ms: int, retry_after_max_ms: int = DAY_MS
) -> Step:
    """What follows the send number `attempt` (from 1) of `request`, which was judged at `now_ms`.

    `retry_after_max_ms` is the longest wait that a receiver may ask for.
    """
    reason = judgement.reason
    if judgement.verdict == "ok":
        return Delivered(reason)
    if judgement.verdict == "blocked":
        return Blocked(reason)
    if judgement.verdict == "final":
        return Failed(reason)
    most = request.delivery.max_attempts
    if attempt >= most:
        return Exhausted("attempts", f"attempt {attempt} of {most} was the last: {reason}")
    at_ms = now_ms + _wait_ms(request, judgement, attempt, retry_after_max_ms)
    if (late := overdue(request, at_ms)) is not None:
        return Exhausted("deadline", f"no retry after attempt {attempt}, {late}: {reason}")
    return RetryAt(at_ms, reason)


def _wait_ms(request: Request, judgement: Judgement, attempt: int, retry_after_max_ms: int) -> int:
    scheduled = wait_ms(request.request_id, attempt, request.delivery.waits_s)
    if judgement.verdict != "throttle":
        return scheduled
    asked = judgement.retry_after_ms
    return max(scheduled, THROTTLED_MS if asked is None else min(asked, retry_after_max_ms))


def put_off(request: Request, due_at_ms: int, now_ms: int) -> Request:
    """`request` as it is put off at `now_ms` until `due_at_ms`: sooner where it would be overdue then.

    So it has one more chance shortly before its deadline, if there is time for one.
    """
    last_ms = round(request.origin.occurred_at + request.delivery.deadline_s * 1000) - LAST_CHANCE_MS
    if not request.ignore_deadline and now_ms + LAST_CHANCE_MS <= last_ms < due_at_ms:
        due_at_ms = last_ms
    return msgspec.structs.replace(request, put_offs=request.put_offs + 1, due_at=due_at_ms)


def overdue(request: Request, now_ms: int) -> str | None:
    """Why `request` may not be sent at `now_ms` any more; None while it may."""
    limit_s = request.delivery.deadline_s
    if request.ignore_deadline or now_ms <= request.origin.occurred_at + limit_s * 1000:
        return None
    return f"past the deadline of {limit_s:g} s after the event"
