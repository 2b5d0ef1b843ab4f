"""A partition's leads on their way into the table: whatever comes when, nothing is lost or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.join.lane import Lane

_KEYS = [b"a", b"b", b"c"]
_Step = tuple[str, Any]
_erases = st.sampled_from([False, False, False, True])

steps = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.lists(st.tuples(st.sampled_from(_KEYS), _erases), max_size=4)),
        st.tuples(st.just("forget"), st.lists(st.sampled_from(_KEYS), min_size=1, max_size=2)),
        st.tuples(st.just("emitted"), st.integers(0, 3)),
        st.tuples(st.just("written"), st.none()),
        st.tuples(st.just("turn"), st.none()),
    ),
    max_size=40,
)


class Partition:
    """A lane, its table, and the broker's acks in hand. A lead is the numbers of its events."""

    def __init__(self) -> None:
        self.held = True
        self.table: dict[bytes, tuple[int, ...]] = {}
        self.latest: dict[bytes, tuple[int, ...]] = {}  # what each key would be without any delay
        self.finished: list[int] = []
        self.acked: set[int] = set()  # events of which all emissions are acknowledged
        self.emissions: list[tuple[list[int], asyncio.Future[None]]] = []
        self.writes: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.number = 0
        self.lane: Lane[tuple[int, ...], int] = Lane(
            self.table.get, self.write, self.finish, lambda: self.held, self.start
        )

    def start(self, work: Any) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    async def write(self, leads: Mapping[bytes, tuple[int, ...] | None]) -> None:
        assert self.held, "written after the partition was given up"
        for lead in leads.values():
            assert set(lead or ()) <= self.acked, "stored before what its events emitted was acknowledged"
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writes.append(written)
        await written
        for key, lead in leads.items():
            self.table.pop(key, None) if lead is None else self.table.update({key: lead})

    def finish(self, event: int) -> None:
        self.finished.append(event)
        assert self.finished == list(range(len(self.finished))), "finished out of order"
        assert event in self.acked

    def batch(self, told: list[tuple[bytes, bool]]) -> None:
        """Events of leads by their keys; one that erases leaves no lead."""
        leads: dict[bytes, tuple[int, ...] | None] = {}
        events = []
        for key, erases in told:
            assert (self.lane.lead(key) or ()) == self.latest.get(key, ()), "an event does not see the last"
            lead = None if erases else (*self.latest.get(key, ()), self.number)
            self.lane.fold(key, lead)
            leads[key] = lead
            self.latest.pop(key, None) if lead is None else self.latest.update({key: lead})
            events.append(self.number)
            self.number += 1
        emitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.emissions.append((events, emitted))
        self.lane.store(leads, events, emitted)

    def forget(self, keys: list[bytes]) -> None:
        before = {key: self.lane.lead(key) for key in keys}
        self.lane.forget(keys)
        for key, lead in before.items():
            if self.lane.lead(key) is None:
                self.latest.pop(key, None)
            else:
                assert self.lane.lead(key) == lead

    def ack(self, index: int) -> None:
        waiting = [pair for pair in self.emissions if not pair[1].done()]
        if waiting:
            events, emitted = waiting[index % len(waiting)]
            self.acked.update(events)
            emitted.set_result(None)

    def written(self) -> None:
        for write in self.writes:
            if not write.done():
                write.set_result(None)

    def check(self) -> None:
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.result()
        for key, lead in self.table.items():
            assert set(lead) <= self.acked
            done = [event for event in self.finished if event in self.latest.get(key, ())]
            assert set(done) <= set(lead), "finished and not stored"


async def play(partition: Partition, script: list[_Step]) -> None:
    does: dict[str, Callable[[Any], None]] = {
        "batch": partition.batch,
        "forget": partition.forget,
        "emitted": partition.ack,
        "written": lambda _: partition.written(),
        "turn": lambda _: None,
    }
    for name, what in script:
        does[name](what)
        for _ in range(3):
            await asyncio.sleep(0)
        partition.check()


def quick(work: Callable[[], Any]) -> None:
    """Run it with ticks that are turns of the loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.join.lane.tick", partial(asyncio.sleep, 0))
        asyncio.run(work())


@given(steps)
def test_in_the_end_each_lead_is_stored_as_its_last_event_left_it_and_each_event_is_finished_once(
    script: list[_Step],
) -> None:
    async def work() -> None:
        partition = Partition()
        await play(partition, script)
        while len(partition.finished) < partition.number or partition.table != partition.latest:
            partition.ack(0)
            partition.written()
            await asyncio.sleep(0)
            partition.check()
        assert partition.finished == list(range(partition.number))

    quick(work)


@given(steps, steps)
def test_nothing_is_written_after_the_partition_was_given_up(script: list[_Step], later: list[_Step]) -> None:
    async def work() -> None:
        partition = Partition()
        await play(partition, script)
        partition.held = False
        writes = len(partition.writes)
        leaving = asyncio.create_task(partition.lane.leave())
        await play(partition, [step for step in later if step[0] in ("emitted", "written", "turn")])
        partition.written()
        await asyncio.wait_for(leaving, 5)
        assert len(partition.writes) == writes
        partition.check()

    quick(work)


async def test_what_was_refused_for_good_stops_the_lane_and_stores_nothing_behind_it() -> None:
    partition = Partition()
    partition.batch([(b"a", False)])
    partition.batch([(b"b", False)])
    partition.emissions[0][1].set_exception(RuntimeError("refused"))
    partition.ack(0)
    await asyncio.wait(partition.tasks)
    with pytest.raises(RuntimeError, match="refused"):
        partition.tasks[0].result()
    assert (partition.writes, partition.finished) == ([], [])
