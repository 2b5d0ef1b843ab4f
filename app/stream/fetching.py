"""A fetch that hands on what it brought and asks again, within one task.

aiokafka's fetcher ends a task for each answer, which wakes its routine, which wakes the reader, which takes
the records and wakes the routine again, which starts the next task: eight turns of the loop and two waits on
sets of futures for what is often one record. Here the task that got the answer hands the records on and sends
the next request. Whatever is not plain (a partition to reset or not taken yet, an error, an assignment that
is over) goes back to aiokafka's routine, which does as ever.

Upstream it would take: a callback for what a fetch has brought.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError

from app.stream.fetch_frames import QuickFetch

Taken = tuple[Any, list[Any]]
Asked = tuple[int, int, int]
"""A partition, the offset to begin at, the most bytes of it."""


class Fetching:
    """The fetches of one aiokafka fetcher; `take` is called when one has brought something."""

    def __init__(self, fetcher: Any, take: Callable[[], None]) -> None:
        self._fetcher = fetcher
        self._take = take
        self._once = fetcher._proc_fetch_request
        self._fault: Exception | None = None
        self._turn = 0
        fetcher._proc_fetch_request = self._fetch

    def taken(self, active: Container[Any]) -> Iterator[Taken]:
        """What was brought of the partitions in `active` and not taken yet, a partition at a time."""
        fetched = self._fetcher._records
        if self._fetcher._subscriptions.reassignment_in_progress:
            return
        for tp in list(fetched):
            found = fetched[tp]
            if tp in active and type(found) is FetchResult:
                records = found.getall()
                if not found.has_more():
                    del fetched[tp]
                if records:
                    yield tp, records

    def check(self) -> None:
        """Raises what taking failed with: the reader's to tell."""
        if self._fault is not None:
            raise self._fault

    async def _fetch(self, assignment: Any, node_id: int, request: Any) -> bool:
        """In the place of aiokafka's: whether its routine is to wake the reader."""
        asked = self._next(assignment, node_id) or request
        while await self._once(assignment, node_id, asked):
            try:
                self._take()
            except ConsumerStoppedError:
                return True
            except Exception as fault:
                self._fault = fault
                return True
            following = self._next(assignment, node_id)
            if following is None:
                return True
            asked = following
        return False

    def _next(self, assignment: Any, node_id: int) -> QuickFetch | None:
        """The next request to a broker; None where aiokafka's routine has to look."""
        fetcher = self._fetcher
        if fetcher._closed or not assignment.active:
            return None
        topics: defaultdict[str, list[Asked]] = defaultdict(list)
        for tp in assignment.tps:
            if fetcher._select_read_replica(tp) != node_id:
                continue
            state = assignment.state_value(tp)
            if tp in fetcher._records or not state.has_valid_position:
                return None
            if state.paused:  # as changelogs are
                continue
            topics[tp.topic].append((tp.partition, state.position, fetcher._max_partition_fetch_bytes))
        if not topics:
            return None
        self._turn += 1
        return QuickFetch(
            fetcher._fetch_max_wait_ms,
            fetcher._fetch_min_bytes,
            fetcher._fetch_max_bytes,
            fetcher._isolation_level,
            [(topic, in_turn(asked, self._turn)) for topic, asked in topics.items()],
            rack_id=fetcher._client_rack or "",
        )


def in_turn(asked: list[Asked], turn: int) -> list[Asked]:
    """Begin with another partition each time: a broker fills an answer in the order of the request."""
    at = turn % len(asked)
    return asked[at:] + asked[:at]
