"""For any stream and clock: no batch mixes, loses, repeats or reorders, none grows too large or too old."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from app.log.batch import Batch, Batcher, Limits, token_of
from app.log.rows import BadRecord, Found, Record
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


def record_of(partition: int, offset: int, sizes: list[int]) -> Record:
    return Record(partition, offset, 0, None, b"x" * sum(sizes))


def found_of(partition: int, offset: int, sizes: list[int]) -> Found:
    odd = [index for index, size in enumerate(sizes) if size % 5 == 4]
    good = [index for index in range(len(sizes)) if index not in odd]
    bad = [BadRecord(Address(partition, offset, index), "odd", b"", None) for index in odd]
    return Found([f"{offset}.{index}" for index in good], good, bad)


@given(st.lists(records, max_size=60))
def test_batches_keep_partition_order_limits_and_every_value(
    stream: list[tuple[str, int, list[int], float]],
) -> None:
    batcher = Batcher(LIMITS)
    put: dict[tuple[str, int], list[Address]] = defaultdict(list)
    receipts: dict[tuple[str, int], list[object]] = defaultdict(list)
    size_of: dict[tuple[tuple[str, int], int], int] = {}
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
        record, found = record_of(partition, offset, sizes), found_of(partition, offset, sizes)
        put[key] += [Address(partition, offset, index) for index in range(len(sizes))]
        size_of[key, offset] = len(record.value or b"") + 256 * len(found)
        receipts[key].append(offset)
        full = batcher.add(POSTBACK_LOG, topic, record, found, offset, now)
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
        rows = [batch.rows.address(at) for at in range(len(batch.rows))]
        assert batch.rows.values == [f"{row.offset}.{row.index}" for row in rows]
        assert rows == sorted(rows, key=lambda a: (a.offset, a.index))
        addresses = sorted([*rows, *(bad.address for bad in batch.bad)], key=lambda a: (a.offset, a.index))
        assert {address.partition for address in addresses} <= {batch.partition}
        got[key] += addresses
        returned[key] += batch.receipts
        assert [record.offset for record in batch.records] == list(batch.receipts)
        offsets = {address.offset for address in addresses}
        size = sum(size_of[key, record.offset] for record in batch.records)
        assert len(offsets) <= 1 or (len(addresses) <= LIMITS.rows and size <= LIMITS.bytes)
    assert {k: v for k, v in got.items() if v} == {k: v for k, v in put.items() if v}
    assert returned == receipts


@given(st.lists(records, min_size=1, max_size=60))
def test_no_two_batches_share_a_token(stream: list[tuple[str, int, list[int], float]]) -> None:
    batcher = Batcher(LIMITS)
    out: list[Batch] = []
    for offset, (topic, partition, sizes, step) in enumerate(stream):
        record, found = record_of(partition, offset, sizes), found_of(partition, offset, sizes)
        out += batcher.add(POSTBACK_LOG, topic, record, found, None, offset * step)
    tokens = [token_of(batch.topic, batch.rows) for batch in (*out, *batcher.flush()) if batch.rows]
    assert len(tokens) == len(set(tokens))


def test_a_partition_that_was_given_up_is_forgotten() -> None:
    batcher = Batcher(LIMITS)
    for partition in (0, 1):
        batcher.add(
            POSTBACK_LOG, "a", record_of(partition, 0, [1]), found_of(partition, 0, [1]), partition, 0.0
        )
    batcher.forget("a", 0)
    batcher.forget("a", 7)
    assert [batch.receipts for batch in batcher.flush()] == [(1,)]


def test_a_record_over_the_limits_travels_alone() -> None:
    batcher = Batcher(LIMITS)
    sizes = [1], [30_000]
    records, found = [record_of(0, n, s) for n, s in enumerate(sizes)], [found_of(0, 0, s) for s in sizes]
    assert batcher.add(POSTBACK_LOG, "a", records[0], found[0], "small", 0.0) == []
    small, large = batcher.add(POSTBACK_LOG, "a", records[1], found[1], "large", 0.0)
    assert (small.receipts, large.receipts) == (("small",), ("large",))
    assert batcher.next_due_s() is None


def test_a_record_without_values_is_returned_too() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(POSTBACK_LOG, "a", record_of(0, 0, []), Found((), ()), "empty", 0.0)
    (batch,) = batcher.due(1.0)
    assert (len(batch.rows), batch.receipts, token_of("a", batch.rows)) == (0, ("empty",), "")
