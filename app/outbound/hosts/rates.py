"""The rates of postbacks: their buckets, and the times given to what is put off because of them."""

from __future__ import annotations

from collections import OrderedDict

from app.outbound.hosts.bucket import Bucket
from app.outbound.hosts.job import Rate
from app.outbound.hosts.slots import Slots

WAIT_MS = 5_000  # what would wait longer for its token is put off


class Rates:
    """The rates that are in use. `share` is this worker's part of each."""

    def __init__(self) -> None:
        self._share = 1.0
        self._used: OrderedDict[tuple[str, str], tuple[Bucket, Slots]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def set_share(self, share: float, now_ms: int) -> None:
        """The worker's part of every rate from now on, above 0."""
        self._share = share
        for bucket, _ in self._used.values():
            bucket.set_share(share, now_ms)

    def slot_ms(self, rate: Rate, is_back: bool, first_ms: int, last_ms: int, now_ms: int) -> int | None:
        """When a request of this rate can be sent, if that is too long to wait for; else None.

        What was put off (`is_back`) goes before what came since; a time from `first_ms` on is its own.
        """
        bucket, slots = self._of(rate, now_ms)
        ready_ms = bucket.ready_ms(bucket.waiting, now_ms)
        horizon_ms = now_ms + WAIT_MS
        goes_first = is_back or ready_ms <= now_ms or not slots.is_behind(horizon_ms)
        if ready_ms <= horizon_ms and goes_first:
            return None
        return slots.give(max(first_ms, ready_ms), last_ms, bucket.per_s)

    def forget_slots(self) -> None:
        """Those that were put off may have another owner now."""
        for key, (bucket, _) in self._used.items():
            self._used[key] = bucket, Slots()

    def wait(self, rate: Rate, change: int, now_ms: int) -> None:
        """One more, or one less, waits for its token."""
        self._of(rate, now_ms)[0].waiting += change

    def take(self, rate: Rate, now_ms: int) -> int | None:
        """Take a token for a request that begins now; returns when there is one if there is none."""
        bucket, _ = self._of(rate, now_ms)
        return None if bucket.take(now_ms) else bucket.ready_ms(0, now_ms)

    def forget(self, now_ms: int) -> None:
        """Forget the rate that was not used for longest, if nothing is lost by it."""
        for key, (bucket, slots) in self._used.items():
            if bucket.is_idle(now_ms) and not slots.is_behind(now_ms):
                del self._used[key]
            return

    def _of(self, rate: Rate, now_ms: int) -> tuple[Bucket, Slots]:
        found = self._used.get(rate.key)
        if found is None:
            found = self._used[rate.key] = Bucket(rate, self._share, now_ms), Slots()
        else:
            found[0].ask(rate, now_ms)
        self._used.move_to_end(rate.key)
        return found
