"""The rate of a postback: a token bucket that holds one second's worth, one token at least.

A worker's share of a rate is its part of the partitions, so all workers together keep to it: in any t
seconds at most `per_s * t` requests, and beyond that what the buckets can hold.
"""

from __future__ import annotations

from math import ceil

from app.outbound.hosts.job import Rate

BURST_S = 1.0
_WHOLE = 1 - 1e-9  # tokens are floats: what is a token but for rounding is one


class Bucket:
    """The tokens of one postback; it begins with one, so that a hand-over makes no burst."""

    def __init__(self, rate: Rate, share: float, now_ms: int) -> None:
        self._rate = rate
        self._share = share
        self._tokens = 1.0
        self._at_ms = now_ms
        self.waiting = 0  # jobs in the machine that have not their token yet

    @property
    def per_s(self) -> float:
        """This worker's part of the rate."""
        return self._rate.per_s * self._share

    @property
    def burst(self) -> float:
        """The most tokens that it holds."""
        return max(1.0, self.per_s * BURST_S)

    def ask(self, rate: Rate, now_ms: int) -> None:
        """Go on at this rate, unless it is that of an older version of the flow."""
        if rate != self._rate and rate.version >= self._rate.version:
            self._fill(now_ms)
            self._rate = rate
            self._tokens = min(self._tokens, self.burst)

    def set_share(self, share: float, now_ms: int) -> None:
        """Go on with this part of the rate."""
        self._fill(now_ms)
        self._share = share
        self._tokens = min(self._tokens, self.burst)

    def _fill(self, now_ms: int) -> None:
        past_s = max(0, now_ms - self._at_ms) / 1_000
        self._tokens = min(self.burst, self._tokens + past_s * self.per_s)
        self._at_ms = now_ms

    def take(self, now_ms: int) -> bool:
        """Take a token if there is one."""
        self._fill(now_ms)
        if self._tokens < _WHOLE:
            return False
        self._tokens -= 1
        return True

    def ready_ms(self, ahead: int, now_ms: int) -> int:
        """When there is a token behind `ahead` others: `now_ms` or later."""
        self._fill(now_ms)
        missing = ahead + 1 - self._tokens
        return now_ms if missing <= 0 else now_ms + ceil(missing / self.per_s * 1_000)

    def is_idle(self, now_ms: int) -> bool:
        """Whether nothing is lost when it is forgotten."""
        self._fill(now_ms)
        return not self.waiting and self._tokens >= self.burst
