"""What a postback keeps, and the order in which it is released."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.messages.request import Request
from app.messages.state import parked_key
from app.outbound.kept import Kept, Shelf, release_order
from tests.outbound import ORIGIN, request

FB = ("F-7", "fb")


def a_request(
    lead: str = "L-1", seq: int = 1, at: int = 1_000, postback: str = "fb", id_: str = ""
) -> Request:
    origin = msgspec.structs.replace(
        ORIGIN, lead_id=lead, lead_seq=seq, requested_at=at, postback_id=postback
    )
    return request(origin=origin, request_id=f"{lead}-{seq}-{postback}")


def put(shelf: Shelf, one: Request, offset: int, partition: int = 0) -> None:
    shelf.apply(partition, offset, parked_key(one), msgspec.json.encode(one))


def test_a_postback_keeps_its_own_requests_as_they_were_written_last() -> None:
    shelf = Shelf(FB)
    put(shelf, a_request(), 0)
    put(shelf, a_request("L-2"), 1)
    put(shelf, a_request(postback="tg"), 2)
    put(shelf, msgspec.structs.replace(a_request(), attempts=2), 3)
    shelf.apply(0, 4, parked_key(a_request("L-2")), None)
    shelf.apply(0, 5, parked_key(a_request("L-9")), None)
    [kept] = shelf.kept.values()
    assert (kept.offset, kept.lead_id, kept.request.attempts) == (3, "L-1", 2)


def test_what_cannot_be_read_is_named_and_stays() -> None:
    shelf = Shelf(FB)
    shelf.apply(3, 7, b"r", b"{")
    shelf.apply(3, 8, b"r2", b'{"request_id": "r"}')
    assert (shelf.kept, shelf.unreadable) == ({}, ["3:7", "3:8"])


def kept_of(requests: list[Request]) -> list[Kept]:
    shelf = Shelf(FB)
    for offset, one in enumerate(requests):
        put(shelf, one, offset)
    return list(shelf.kept.values())


def test_the_oldest_event_goes_first() -> None:
    kept = kept_of([a_request("L-1", 4, 3_000), a_request("L-2", 9, 1_000), a_request("L-3", 1, 2_000)])
    assert [one.lead_id for one in release_order(kept)] == ["L-2", "L-3", "L-1"]


def test_a_lead_goes_by_its_sequence_though_its_timestamps_run_back() -> None:
    kept = kept_of([a_request("L-1", 2, 500), a_request("L-1", 1, 2_000), a_request("L-2", 1, 1_000)])
    order = [(one.lead_id, one.lead_seq) for one in release_order(kept)]
    assert order == [("L-2", 1), ("L-1", 1), ("L-1", 2)]


some = st.builds(a_request, st.sampled_from(["L-1", "L-2", "L-3"]), st.integers(1, 9), st.integers(1, 9))


@given(st.lists(some, max_size=20), st.randoms())
def test_the_order_has_each_once_keeps_lanes_and_does_not_hang_on_how_they_lay(
    requests: list[Request], random: Random
) -> None:
    kept = kept_of(requests)
    order = release_order(kept)
    assert sorted(one.key for one in order) == sorted(one.key for one in kept)
    for lead in ("L-1", "L-2", "L-3"):
        seqs = [one.lead_seq for one in order if one.lead_id == lead]
        assert seqs == sorted(seqs)
    shuffled = list(kept)
    random.shuffle(shuffled)
    assert [one.key for one in release_order(shuffled)] == [one.key for one in order]


@given(st.lists(some, max_size=20))
def test_of_two_leads_whose_timestamps_rise_the_older_event_goes_first(requests: list[Request]) -> None:
    rising = [a_request(r.origin.lead_id, r.origin.lead_seq, r.origin.lead_seq) for r in requests]
    order = release_order(kept_of(rising))
    assert all(one.requested_at <= other.requested_at for one, other in pairwise(order))
