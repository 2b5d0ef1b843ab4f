"""Requests that wait while their deadline comes near: in the last tenth of it, an hour at most. Pure.

Only what this worker itself put into a tier or kept is known, `MOST` requests at most, the oldest forgotten
first. A request in a tier that comes back before its deadline is near is not remembered at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.messages.request import Request
from app.messages.state import Postback

MOST = 20_000
NEAR_PART = 0.1
NEAR_MS = 3_600_000
LATE_MS = 60_000  # a request comes back no later than this after it was due


@dataclass(frozen=True, slots=True)
class _Waiting:
    postback: Postback
    near_ms: int
    deadline_ms: int
    is_kept: bool


@dataclass(slots=True)
class Near:
    """Requests of one postback that wait with a deadline near: since when it is, when the first passes."""

    since_ms: int
    first_ms: int
    count: int = 0


class Deadlines:
    """What waits, by request and replay; all times are Unix milliseconds."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[str, int], _Waiting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def waits(self, request: Request) -> None:
        """A request waits in a tier until it is due."""
        self._add(request, request.due_at + LATE_MS, is_kept=False)

    def kept(self, request: Request) -> None:
        """A request is kept for as long as its postback is parked."""
        self._add(request, None, is_kept=True)

    def back(self, request: Request) -> None:
        """A request waits no longer."""
        self._waiting.pop((request.request_id, request.replay), None)

    def forget(self) -> None:
        """Its partitions are somebody else's now."""
        self._waiting.clear()

    def near(self, now_ms: int, is_parked: Callable[[Postback], bool]) -> dict[Postback, Near]:
        """What is near its deadline, by postback; forgets what is past it or kept no longer."""
        found: dict[Postback, Near] = {}
        gone = []
        for key, one in self._waiting.items():
            if one.deadline_ms < now_ms or (one.is_kept and not is_parked(one.postback)):
                gone.append(key)
            elif one.near_ms <= now_ms:
                near = found.setdefault(one.postback, Near(one.near_ms, one.deadline_ms))
                near.count += 1
                near.since_ms = min(near.since_ms, one.near_ms)
                near.first_ms = min(near.first_ms, one.deadline_ms)
        for key in gone:
            del self._waiting[key]
        return found

    def _add(self, request: Request, back_ms: int | None, *, is_kept: bool) -> None:
        if request.ignore_deadline:
            return
        limit_ms = request.delivery.deadline_s * 1000
        deadline_ms = round(request.origin.occurred_at + limit_ms)
        near_ms = round(deadline_ms - min(NEAR_MS, NEAR_PART * limit_ms))
        if back_ms is not None and back_ms < near_ms:
            return
        origin = request.origin
        self._waiting[request.request_id, request.replay] = _Waiting(
            (origin.flow_id, origin.postback_id), near_ms, deadline_ms, is_kept
        )
        if len(self._waiting) > MOST:
            self._waiting.popitem(last=False)
