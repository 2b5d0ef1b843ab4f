"""The ledger releases only the contiguous prefix of what was taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stream.ledger import Ledger


def test_a_record_is_committable_when_it_and_all_before_it_are_finished() -> None:
    ledger = Ledger()
    for offset in (10, 11, 12):
        ledger.begin(offset, 1, 100)
    assert ledger.finish(11) is None
    assert ledger.finish(12) is None
    assert ledger.finish(10) == 13
    assert (len(ledger), ledger.values, ledger.bytes) == (0, 0, 0)


def test_an_envelope_is_finished_with_its_last_value() -> None:
    ledger = Ledger()
    ledger.begin(5, 3, 100)
    assert ledger.finish(5) is None
    assert ledger.finish(5) is None
    assert ledger.finish(5) == 6


def test_a_value_finished_twice_is_an_error() -> None:
    ledger = Ledger()
    ledger.begin(1, 1, 1)
    assert ledger.finish(1) == 2
    with pytest.raises(KeyError):
        ledger.finish(1)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=20).flatmap(
        lambda records: st.tuples(
            st.just(records),
            st.permutations([i for i, (_, values) in enumerate(records) for _ in range(values)]),
        )
    )
)
def test_offsets_are_released_in_order_and_never_past_an_unfinished_one(
    case: tuple[list[tuple[int, int]], list[int]],
) -> None:
    records, finish_order = case
    ledger, offset, offsets = Ledger(), 0, []
    for gap, values in records:
        offset += gap
        offsets.append(offset)
        ledger.begin(offset, values, 10)
    released = 0
    for position, record in enumerate(finish_order):
        committable = ledger.finish(offsets[record])
        if committable is not None:
            assert committable > released
            released = committable
        unfinished = {offsets[r] for r in finish_order[position + 1 :]}
        assert all(released <= o for o in unfinished)
    assert released == offsets[-1] + 1
    assert (ledger.values, ledger.bytes) == (0, 0)
