"""When a request is sent again, and by which hops it waits until then. Pure: the clock is an argument.

The waits are those that webhooks commonly have (at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h; Svix and
most that follow Standard Webhooks), or the postback's own; past their end the last one repeats. Each is
within ±20 % of what is written, by a hash of request and attempt, so copies of one fall due together.

A wait is a sum of hops through the tiers. Within a tier records lie in the order in which they began to
wait, each for the tier's delay, so none holds up the one behind it for longer than that; nothing goes back
to be sent before it is due. A tier's slack is a fifth of its delay, at most the delay of the smallest: so
much less, or more, than its delay a record may have to wait and still go the way in one hop.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from app.topics import Tier

WAITS_S: Sequence[float] = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
JITTER = 0.2
SKEW_MS = 250
"""How far the clocks of two workers may be apart before a request that comes back waits once more."""


def wait_ms(request_id: str, attempt: int, waits_s: Sequence[float] = ()) -> int:
    """How long after the failed send number `attempt` (from 1) the next one is.

    `waits_s` replaces the default schedule when it is not empty.
    """
    waits_s = waits_s or WAITS_S
    base_s = waits_s[min(attempt, len(waits_s)) - 1]
    return round(base_s * 1000 * (1 + JITTER * (2 * _part(request_id, attempt) - 1)))


def _part(request_id: str, attempt: int) -> float:
    digest = blake2b(f"{request_id}:{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def is_early(due_at_ms: int, requested_at_ms: int, now_ms: int) -> bool:
    """Whether a request taken from `postback-requests` has to wait.

    One that is due with its event never has to, however far ahead the clock of the event's producer is.
    """
    return due_at_ms > max(requested_at_ms, now_ms + SKEW_MS)


class Ladder:
    """The tiers of one installation, the shortest first."""

    def __init__(self, tiers: Sequence[Tier]) -> None:
        self._tiers = tiers

    def slack_ms(self, delay_ms: int) -> int:
        """The slack of a tier of that delay."""
        return min(delay_ms // 5, self._tiers[0].delay_ms)

    def tier_for(self, remaining_ms: int) -> Tier:
        """The tier of the next hop: the largest that what remains fills (within slack), or the smallest."""
        fitting = [t for t in self._tiers if t.delay_ms - self.slack_ms(t.delay_ms) <= remaining_ms]
        return fitting[-1] if fitting else self._tiers[0]

    def leaves_at(self, delay_ms: int, timestamp_ms: int, last_due_ms: int, now_ms: int) -> int:
        """When the head of a tier of `delay_ms` moves on.

        `timestamp_ms` is its Kafka timestamp, `last_due_ms` when the last of its values is due. It is never
        later than `now_ms` plus the delay and twice its slack: a timestamp in the future is a clock that
        jumped, and the record is written anew at once.
        """
        slack_ms = self.slack_ms(delay_ms)
        if timestamp_ms > now_ms + slack_ms:
            return now_ms
        over = timestamp_ms + delay_ms
        return last_due_ms if last_due_ms <= over + slack_ms else over
