"""The intake: windows, what is committed, and what happens at a rewind or when a partition is given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, NamedTuple

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
        self.consumer_generation_id = 1
        self.conf = SimpleNamespace(id="app")
        self.leaving = False
        self.finished: Counter[TP] = Counter()


class Stream:
    """A stream of messages, in Faust's shape."""

    def __init__(self, *messages: Any) -> None:
        self._messages = messages

    def noack(self) -> Stream:
        return self

    async def events(self) -> AsyncIterator[Any]:
        for message in self._messages:
            yield SimpleNamespace(message=message)


_P0, _P1 = TP("t", 0), TP("t", 1)


def message(tp: TP, offset: int, value: bytes = b"v", generation: int = 1) -> Any:
    return SimpleNamespace(
        tp=tp, offset=offset, timestamp=1.5, key=b"k", value=value, headers=None, generation_id=generation
    )


async def fed(*messages: Any, window: Window | None = None) -> tuple[App, Intake]:
    app = App()
    intake = Intake(app, window or Window(100, 10_000))  # type: ignore[arg-type]  # as much of it as is used
    await intake.feed(Stream(*messages))
    return app, intake


async def begun(intake: Intake) -> list[Taken]:
    batch = await intake.take(100)
    for taken in batch:
        intake.begin(taken, 1)
    return batch


async def test_only_the_finished_prefix_of_each_partition_is_released() -> None:
    app, intake = await fed(message(_P0, 5), message(_P1, 9), message(_P0, 6))
    first, other, second = await begun(intake)
    intake.finish(second)
    intake.finish(other)
    assert app.consumer.released == {_P1: 10}
    intake.finish(first)
    assert app.consumer.released == {_P0: 7, _P1: 10}


async def test_a_message_of_an_old_generation_is_not_taken() -> None:
    _, intake = await fed(message(_P0, 1, generation=0), message(_P0, 2))
    assert [taken.offset for taken in await intake.take(10)] == [2]


async def test_a_full_partition_is_not_fetched_until_half_of_it_is_done() -> None:
    app, intake = await fed(*(message(_P0, n) for n in range(4)), message(_P1, 0), window=Window(4, 10_000))
    batch = await begun(intake)
    assert app.consumer.full == {_P0}
    for taken in batch[:2]:
        intake.finish(taken)
    assert app.consumer.full == {_P0}
    intake.finish(batch[2])
    assert app.consumer.full == set()


async def test_a_partition_is_full_by_bytes_that_wait_in_the_queue_too() -> None:
    app, intake = await fed(message(_P0, 0, b"x" * 2000), window=Window(100, 2000))
    assert app.consumer.full == {_P0}
    (taken,) = await begun(intake)
    intake.finish(taken)
    assert app.consumer.full == set()


async def test_going_back_begins_the_partition_again_and_acks_nothing_of_before() -> None:
    app, intake = await fed(message(_P0, 5), message(_P0, 6), message(_P1, 1))
    five, six, other = await begun(intake)
    intake.finish(six)
    await intake.feed(Stream(message(_P0, 7), message(_P0, 5), message(_P0, 6)))
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
    app, intake = await fed(message(_P0, 5), message(_P0, 6))
    five, six = await begun(intake)
    intake.finish(five)
    await intake.hand_over(0.01)
    intake.finish(six)
    assert app.consumer.released == {_P0: 6}
    assert not intake.holds(six)


async def test_what_waits_in_the_queue_is_forgotten_at_a_hand_over() -> None:
    app, intake = await fed(message(_P0, 5))
    await intake.hand_over(0.01)
    await intake.feed(Stream(message(_P0, 3)))
    assert [taken.offset for taken in await begun(intake)] == [3]
    assert app.consumer.released == {}
