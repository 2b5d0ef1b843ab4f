"""The outbox: what lingers, what travels together, and who is told."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.envelope import MAX_VALUES, unpack
from app.stream.outbox import Outbox


class Producer:
    """Takes envelopes and acknowledges when told to; while `is_busy` a record has to be waited for."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, list[int]]] = []
        self.acks: list[asyncio.Future[None]] = []
        self.is_busy = False

    def post(self, topic: str, partition: int, key: bytes, value: bytes) -> asyncio.Future[None] | None:
        return None if self.is_busy else self._take(partition, value)

    async def send(self, topic: str, value: bytes, *, key: bytes, partition: int) -> asyncio.Future[None]:
        while self.is_busy:
            await asyncio.sleep(0)
        return self._take(partition, value)

    def _take(self, partition: int, value: bytes) -> asyncio.Future[None]:
        self.sent.append((partition, [int(bytes(one)) for one in unpack(value)]))
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]

    def ack(self) -> None:
        for ack in self.acks:
            if not ack.done():
                ack.set_result(None)


def new_outbox(*, is_patient: bool = False) -> tuple[Producer, Outbox]:
    producer = Producer()
    return producer, Outbox(producer, "t", is_patient=is_patient)  # type: ignore[arg-type]  # as much as is used


async def turn() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_a_value_alone_goes_at_once_and_those_behind_it_together_after_its_ack() -> None:
    producer, outbox = new_outbox()
    first = outbox.add(0, b"k", b"1")
    await turn()
    assert producer.sent == [(0, [1])]
    others = [outbox.add(0, b"k", b"2"), outbox.add(1, b"k", b"3"), outbox.add(0, b"k", b"4")]
    await turn()
    assert producer.sent[1:] == [(1, [3])]
    producer.ack()
    await turn()
    assert first.done()
    assert producer.sent[2:] == [(0, [2, 4])]
    producer.ack()
    await asyncio.gather(*others)


async def test_envelopes_that_were_large_lately_fill_up_though_nothing_is_unacknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.stream.outbox._FILL_S", 1.0)  # a busy machine takes long between two lines
    producer, outbox = new_outbox()
    for _ in range(10):
        done = outbox.add_all(0, [(b"k", b"%d" % n) for n in range(MAX_VALUES)])
        producer.ack()
        await done
    outbox.add(0, b"k", b"1")
    await turn()
    assert len(producer.sent) == 10
    later = outbox.add(0, b"k", b"2")
    while len(producer.sent) == 10:
        await asyncio.sleep(0.001)
    assert producer.sent[10:] == [(0, [1, 2])]
    producer.ack()
    await later


async def test_a_patient_outbox_sends_what_is_full_at_once_and_the_rest_at_a_tick() -> None:
    producer, outbox = new_outbox(is_patient=True)
    done = outbox.add_all(0, [(b"k", b"%d" % n) for n in range(MAX_VALUES + 1)])
    assert [len(values) for _, values in producer.sent] == [MAX_VALUES]
    outbox.add(1, b"k", b"7")
    while len(producer.sent) < 3:
        await asyncio.sleep(0.001)
    assert sorted(producer.sent[1:]) == [(0, [MAX_VALUES]), (1, [7])]
    producer.ack()
    await done


async def test_a_refusal_is_told_to_all_whose_values_it_took_and_to_nobody_else() -> None:
    producer, outbox = new_outbox()
    lost = outbox.add_all(0, [(b"k", b"1"), (b"k", b"2")])
    await turn()
    kept = outbox.add(0, b"k", b"3")
    producer.acks[0].set_exception(RuntimeError("refused"))
    await turn()
    producer.ack()
    await kept
    with pytest.raises(RuntimeError, match="refused"):
        await lost


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 2 * MAX_VALUES)),
            st.tuples(st.sampled_from(["ack", "busy", "free", "turn"]), st.none()),
        ),
        max_size=30,
    )
)
def test_values_keep_their_order_and_are_told_once_all_of_them_are_acknowledged(
    script: list[tuple[str, Any]],
) -> None:
    async def play() -> None:
        producer, outbox = new_outbox()
        added, told = 0, []
        for name, count in script:
            if name == "add":
                values = [(b"k", b"%d" % (added + n)) for n in range(count)]
                told.append((added + count, outbox.add_all(0, values)))
                added += count
            elif name == "ack":
                producer.ack()
            producer.is_busy = name == "busy" or (producer.is_busy and name != "free")
            await turn()
            acked = sum(
                len(some) for (_, some), ack in zip(producer.sent, producer.acks, strict=True) if ack.done()
            )
            assert all(last <= acked for last, done in told if done.done())
        producer.is_busy = False
        while not all(done.done() for _, done in told):
            producer.ack()
            await asyncio.sleep(0.001)
        sent = [value for _, values in producer.sent for value in values]
        assert sent == list(range(added))
        assert all(len(values) <= MAX_VALUES for _, values in producer.sent)
        assert all(before < after for before, after in pairwise(sent))

    asyncio.run(play())
