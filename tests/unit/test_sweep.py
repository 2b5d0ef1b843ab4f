"""The sweep forgets what expired, never what has not, and looks at a bounded part at a time."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.join.expire import MOST_PER_STEP
from app.join.expire import Sweep as _Sweep
from app.leads.lead import Lead, decode_lead, encode_lead

NOW = 1_764_000_000_000
TTL_MS = 90 * 86_400_000


def lead(touched_at: int) -> bytes:
    return encode_lead(Lead("L", "F", "new", touched_at, touched_at, 1))


EXPIRED, ALIVE = lead(NOW - TTL_MS - 1), lead(NOW - TTL_MS)


def _touched_at(value: bytes) -> int | None:
    try:
        return decode_lead(value).touched_at
    except msgspec.DecodeError:
        return None


class Leads:
    """A table in memory that counts what it was asked for."""

    def __init__(self, partitions: dict[int, dict[bytes, bytes]]) -> None:
        self.partitions = partitions
        self.owned = set(partitions)
        self.looked_at = 0

    def assigned(self) -> set[int]:
        return self.owned

    def items(self, partition: int, start: bytes, most: int) -> list[tuple[bytes, bytes]]:
        held = self.partitions[partition]
        found = [(key, held[key]) for key in sorted(held) if key >= start][:most]
        self.looked_at += len(found)
        return found

    def forget(self, partition: int, keys: list[bytes]) -> None:
        for key in keys:
            del self.partitions[partition][key]


def Sweep(leads: Leads, ttl_ms: int) -> _Sweep:  # noqa: N802 - a sweep whose partitions have seen today
    sweep = _Sweep(leads, ttl_ms, _touched_at)
    for partition in leads.partitions:
        sweep.saw(partition, NOW + TTL_MS)
    return sweep


def numbered(count: int, value: bytes) -> dict[bytes, bytes]:
    return {b"%06d" % number: value for number in range(count)}


def test_what_expired_is_found_and_what_has_not_is_not() -> None:
    sweep = Sweep(Leads({0: {b"a": EXPIRED, b"b": ALIVE}, 3: {b"c": EXPIRED}}), TTL_MS)
    assert dict(sweep.expired(NOW)) == {0: [b"a"], 3: [b"c"]}


def test_a_step_looks_at_two_thousand_keys_of_a_partition_and_goes_on_there_a_second_later() -> None:
    leads = Leads({0: numbered(MOST_PER_STEP + 1, EXPIRED)})
    sweep = Sweep(leads, TTL_MS)
    [(_, first)] = sweep.expired(NOW)
    assert (len(first), leads.looked_at) == (MOST_PER_STEP, MOST_PER_STEP)
    assert list(sweep.expired(NOW + 999)) == []
    assert leads.looked_at == MOST_PER_STEP
    assert list(sweep.expired(NOW + 1000)) == [(0, [b"%06d" % MOST_PER_STEP])]


def test_at_the_end_of_a_partition_it_begins_again() -> None:
    leads = Leads({0: {b"a": ALIVE}})
    sweep = Sweep(leads, TTL_MS)
    assert list(sweep.expired(NOW)) == []
    assert list(sweep.expired(NOW + 2000)) == [(0, [b"a"])]


def test_a_partition_that_is_owned_no_more_is_left_alone() -> None:
    leads = Leads({0: {b"a": EXPIRED}, 1: {b"b": EXPIRED}})
    leads.owned = {1}
    assert list(Sweep(leads, TTL_MS).expired(NOW)) == [(1, [b"b"])]


def test_what_is_no_lead_is_left_for_its_next_event_to_name() -> None:
    broken = {b"a": b"", b"b": b"\xff\xff", b"c": b"\x91\xa1L"}
    assert list(Sweep(Leads({0: broken}), TTL_MS).expired(NOW)) == []


@given(
    st.dictionaries(
        st.integers(0, 3),
        st.dictionaries(st.binary(min_size=1, max_size=3), st.sampled_from([EXPIRED, ALIVE]), max_size=30),
    )
)
def test_whoever_forgets_what_it_finds_is_left_with_what_is_alive(
    partitions: dict[int, dict[bytes, bytes]],
) -> None:
    alive = {p: {k for k, v in held.items() if v == ALIVE} for p, held in partitions.items()}
    leads = Leads(partitions)
    sweep = Sweep(leads, TTL_MS)
    for partition, keys in sweep.expired(NOW):
        leads.forget(partition, keys)
    assert {p: set(held) for p, held in leads.partitions.items()} == alive


def test_the_sweep_is_never_ahead_of_the_records_of_its_partition() -> None:
    """Leads that are loaded with old timestamps expire by these, as the fold has it."""
    sweep = _Sweep(Leads({0: {b"a": EXPIRED}, 1: {b"b": EXPIRED}}), TTL_MS, _touched_at)
    sweep.saw(0, NOW - TTL_MS)
    assert list(sweep.expired(NOW)) == []
    sweep.saw(0, NOW)
    assert list(sweep.expired(NOW + 1000)) == [(0, [b"a"])]
