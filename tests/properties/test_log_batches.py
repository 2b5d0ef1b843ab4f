"""For any stream and clock: no batch mixes, loses, repeats or reorders, none grows too large or too old."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from app.log.batch import Batch, Batcher, Limits
from app.log.rows import BadRecord, Row
from app.log.tables import POSTBACK_LOG
from app.messages.record import Address

LIMITS = Limits(rows=10, bytes=20_000, age_s=1.0)

# (topic, partition, sizes of the record's values, seconds since the record before)
records = st.tuples(
    st.sampled_from(["a", "b"]),
    st.integers(0, 2),
    st.lists(st.integers(0, 6000), max_size=6),
    st.floats(0, 0.7),
)


def items_of(partition: int, offset: int, sizes: list[int]) -> list[Row | BadRecord]:
    made: list[Row | BadRecord] = []
    for index, size in enumerate(sizes):
        address = Address(partition, offset, index)
        if size % 5 == 4:
            made.append(BadRecord(address, "odd", b"x" * size, None))
        else:
            made.append(Row(address, (), b"x" * size, None))
    return made


@given(st.lists(records, max_size=60))
def test_batches_keep_partition_order_limits_and_every_value(
    stream: list[tuple[str, int, list[int], float]],
) -> None:
    batcher = Batcher(LIMITS)
    put: dict[tuple[str, int], list[Address]] = defaultdict(list)
    receipts: dict[tuple[str, int], list[object]] = defaultdict(list)
    first_at: dict[tuple[str, int], float] = {}
    out: list[Batch] = []
    now = 0.0
    for offset, (topic, partition, sizes, step) in enumerate(stream):
        now += step
        for batch in batcher.due(now):
            first_at.pop((batch.topic, batch.partition))
            out.append(batch)
        assert all(now - since < LIMITS.age_s for since in first_at.values())
        key = (topic, partition)
        items = items_of(partition, offset, sizes)
        put[key] += [item.address for item in items]
        receipts[key].append(offset)
        full = batcher.add(POSTBACK_LOG, topic, partition, items, offset, now)
        out += full
        if full:
            first_at.pop(key, None)
        if not full or full[-1].receipts[-1] != offset:
            first_at.setdefault(key, now)
        due = batcher.next_due_s()
        assert (due is None) == (not first_at)
        assert due is None or due >= now
    out += batcher.flush()
    assert batcher.flush() == []

    got: dict[tuple[str, int], list[Address]] = defaultdict(list)
    returned: dict[tuple[str, int], list[object]] = defaultdict(list)
    for batch in out:
        key = (batch.topic, batch.partition)
        held: list[Row | BadRecord] = [*batch.rows, *batch.bad]
        addresses = sorted((item.address for item in held), key=lambda a: (a.offset, a.index))
        assert {address.partition for address in addresses} <= {batch.partition}
        got[key] += addresses
        returned[key] += batch.receipts
        offsets = {address.offset for address in addresses}
        size = sum(len(item.original or b"") + 256 for item in held)
        assert len(offsets) <= 1 or (len(addresses) <= LIMITS.rows and size <= LIMITS.bytes)
        assert [row.address for row in batch.rows] == sorted(
            (row.address for row in batch.rows), key=lambda a: (a.offset, a.index)
        )
    assert {k: v for k, v in got.items() if v} == {k: v for k, v in put.items() if v}
    assert returned == receipts


@given(st.lists(records, min_size=1, max_size=60))
def test_no_two_batches_share_a_token(stream: list[tuple[str, int, list[int], float]]) -> None:
    batcher = Batcher(LIMITS)
    out: list[Batch] = []
    for offset, (topic, partition, sizes, step) in enumerate(stream):
        items = items_of(partition, offset, sizes)
        out += batcher.add(POSTBACK_LOG, topic, partition, items, None, offset * step)
    tokens = [batch.token for batch in (*out, *batcher.flush()) if batch.rows]
    assert len(tokens) == len(set(tokens))


def test_a_partition_that_was_given_up_is_forgotten() -> None:
    batcher = Batcher(LIMITS)
    for partition in (0, 1):
        batcher.add(POSTBACK_LOG, "a", partition, items_of(partition, 0, [1]), partition, 0.0)
    batcher.forget("a", 0)
    batcher.forget("a", 7)
    assert [batch.receipts for batch in batcher.flush()] == [(1,)]


def test_a_record_over_the_limits_travels_alone() -> None:
    batcher = Batcher(LIMITS)
    assert batcher.add(POSTBACK_LOG, "a", 0, items_of(0, 0, [1]), "small", 0.0) == []
    small, large = batcher.add(POSTBACK_LOG, "a", 0, items_of(0, 1, [30_000]), "large", 0.0)
    assert (small.receipts, large.receipts) == (("small",), ("large",))
    assert batcher.next_due_s() is None


def test_a_record_without_values_is_returned_too() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(POSTBACK_LOG, "a", 0, [], "empty", 0.0)
    (batch,) = batcher.due(1.0)
    assert (batch.rows, batch.receipts, batch.token) == ((), ("empty",), "")
