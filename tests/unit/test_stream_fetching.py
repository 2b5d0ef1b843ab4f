"""What a fetch asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.stream.fetching import in_turn


@given(st.integers(1, 40), st.integers(0, 1_000))
def test_each_partition_always_comes_first_in_its_turn_and_none_is_left_out(count: int, turn: int) -> None:
    asked = [(partition, 7, 100) for partition in range(count)]
    rounds = [in_turn(asked, turn + n) for n in range(count)]
    assert {partitions[0] for partitions in rounds} == set(asked)
    assert all(sorted(partitions) == asked for partitions in rounds)
