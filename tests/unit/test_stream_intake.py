"""The intake: windows, what is committed, and what happens at a rewind or when a partition is given up."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import groupby
from types import SimpleNamespace
from typing import NamedTuple

from app.stream.intake import Intake, Taken, Window


class TP(NamedTuple):
    topic: str
    partition: int


class Consumer:
    """Records what an intake asks of Faust's consumer."""

    def __init__(self) -> None:
        self.released: dict[TP, int] = {}
        self.full: set[TP] = set()

    def release(self, tp: TP, offset: int) -> None:
        self.released[tp] = offset

    def on_buffer_full(self, tp: TP) -> None:
        self.full.add(tp)

    def on_buffer_drop(self, tp: TP) -> None:
        self.full.discard(tp)


class App:
    """As much of a role's app as an intake sees."""

    def __init__(self) -> None:
        self.consumer = Consumer()
        self.conf = SimpleNamespace(id="app")
        self.leaving = False
        self.finished: Counter[TP] = Counter()


_P0, _P1 = TP("t", 0), TP("t", 1)


class Record(NamedTuple):
    """A record of a partition, in aiokafka's shape."""

    tp: TP
    offset: int
    value: bytes = b"v"
    key: bytes = b"k"
    timestamp: int = 1500
    headers: tuple[tuple[str, bytes], ...] = ()


def feed(intake: Intake, *records: Record) -> None:
    """As a consumer does, a partition's records at once."""
    for tp, some in groupby(records, lambda record: record.tp):
        intake.receive(tp, list(some))


def fed(*records: Record, window: Window | None = None) -> tuple[App, Intake]:
    app = App()
    intake = Intake(app, window or Window(100, 10_000))  # type: ignore[arg-type]  # as much of it as is used
    feed(intake, *records)
    return app, intake


async def begun(intake: Intake, most: int = 100) -> list[Taken]:
    batch = await intake.take(most)
    for taken in batch:
        intake.begin(taken, 1)
    return batch


async def test_only_the_finished_prefix_of_each_partition_is_released() -> None:
    app, intake = fed(Record(_P0, 5), Record(_P1, 9), Record(_P0, 6))
    first, other, second = await begun(intake)
    intake.finish(second)
    intake.finish(other)
    assert app.consumer.released == {_P1: 10}
    intake.finish(first)
    assert app.consumer.released == {_P0: 7, _P1: 10}


async def test_each_partition_has_its_share_of_a_batch_and_keeps_its_order() -> None:
    _, intake = fed(*(Record(_P0, n) for n in range(9)), Record(_P1, 0), Record(_P1, 1))
    first, second = await intake.take(4), await intake.take(4)
    assert sorted((taken.partition, taken.offset) for taken in first) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [taken.offset for taken in second] == [2, 3, 4, 5]


async def test_nothing_is_taken_of_a_full_partition_and_the_others_go_on() -> None:
    _, intake = fed(*(Record(_P0, n) for n in range(9)), window=Window(4, 10_000))
    batch = await begun(intake, most=4)
    feed(intake, Record(_P1, 0))
    assert [taken.tp for taken in await begun(intake)] == [_P1]
    taking = asyncio.create_task(intake.take(4))
    await asyncio.sleep(0)
    intake.finish(batch[0])
    intake.finish(batch[1])
    await asyncio.sleep(0)
    assert not taking.done()
    intake.finish(batch[2])
    assert [taken.offset for taken in await taking] == [4, 5, 6, 7]


async def test_a_worker_that_leaves_takes_nothing_in() -> None:
    app, intake = fed(Record(_P0, 1))
    app.leaving = True
    feed(intake, Record(_P0, 2))
    assert [taken.offset for taken in await intake.take(10)] == [1]


async def test_a_full_partition_is_not_fetched_until_half_of_it_is_done() -> None:
    app, intake = fed(*(Record(_P0, n) for n in range(4)), Record(_P1, 0), window=Window(4, 10_000))
    batch = await begun(intake)
    assert app.consumer.full == {_P0}
    for taken in batch[:2]:
        intake.finish(taken)
    assert app.consumer.full == {_P0}
    intake.finish(batch[2])
    assert app.consumer.full == set()


async def test_a_partition_is_full_by_bytes_that_wait_in_the_queue_too() -> None:
    app, intake = fed(Record(_P0, 0, b"x" * 2000), window=Window(100, 2000))
    assert app.consumer.full == {_P0}
    (taken,) = await begun(intake)
    intake.finish(taken)
    assert app.consumer.full == set()


async def test_going_back_begins_the_partition_again_and_acks_nothing_of_before() -> None:
    app, intake = fed(Record(_P0, 5), Record(_P0, 6), Record(_P1, 1))
    five, six, other = await begun(intake)
    intake.finish(six)
    feed(intake, Record(_P0, 7))
    feed(intake, Record(_P0, 5), Record(_P0, 6))
    again = await begun(intake)
    assert [taken.offset for taken in again] == [5, 6]
    intake.finish(five)
    assert app.consumer.released == {}
    intake.finish(other)
    for taken in again:
        intake.finish(taken)
    assert app.consumer.released == {_P0: 7, _P1: 2}
    assert not intake.holds(five)
    assert intake.open_values() == 0


async def test_what_is_unfinished_after_the_grace_is_given_up_and_never_acked() -> None:
    app, intake = fed(Record(_P0, 5), Record(_P0, 6))
    five, six = await begun(intake)
    intake.finish(five)
    await intake.hand_over(0.01)
    intake.finish(six)
    assert app.consumer.released == {_P0: 6}
    assert not intake.holds(six)


async def test_what_waits_in_the_queue_is_forgotten_at_a_hand_over() -> None:
    app, intake = fed(Record(_P0, 5))
    await intake.hand_over(0.01)
    feed(intake, Record(_P0, 3))
    assert [taken.offset for taken in await begun(intake)] == [3]
    assert app.consumer.released == {}
