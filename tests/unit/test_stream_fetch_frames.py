"""A fetch as bytes: the same as aiokafka's own."""

from __future__ import annotations

from io import BytesIO

from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v11
from hypothesis import given
from hypothesis import strategies as st

from app.stream.fetch_frames import QuickFetch

_i32, _i64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
_names = st.text(st.characters(codec="utf-8"), max_size=20)
_asked = st.lists(st.tuples(_names, st.lists(st.tuples(_i32, _i64, _i32), max_size=4)), max_size=3)
_partition = st.tuples(
    _i32,
    st.integers(-(2**15), 2**15 - 1),
    _i64,
    _i64,
    _i64,
    st.none() | st.lists(st.tuples(_i64, _i64), max_size=3),
    _i32,
    st.none() | st.binary(max_size=30),
)
_VERSIONS = {1: (0, 11)}


@given(_asked, _i32, _i32, _i32, st.integers(0, 1), _names)
def test_a_request_is_always_the_bytes_that_aiokafka_would_send(
    topics: list[tuple[str, list[tuple[int, int, int]]]],
    wait_ms: int,
    least: int,
    most: int,
    isolation: int,
    rack: str,
) -> None:
    ours = QuickFetch(wait_ms, least, most, isolation, topics, rack_id=rack).prepare(_VERSIONS)
    theirs = FetchRequest(wait_ms, least, most, isolation, topics, rack_id=rack).prepare(_VERSIONS)
    assert ours.encode() == theirs.encode()
    header = ours.build_request_header(correlation_id=7, client_id="w1").encode()
    assert header == theirs.build_request_header(correlation_id=7, client_id="w1").encode()


@given(st.lists(st.tuples(_names, st.lists(_partition, max_size=4)), max_size=3), _i32)
def test_a_response_is_always_read_as_aiokafka_reads_it(topics: list[object], correlation: int) -> None:
    frame = BytesIO(correlation.to_bytes(4, "big", signed=True) + FetchResponse_v11(0, 0, 0, topics).encode())
    request = QuickFetch(200, 1, 1, 0, []).prepare(_VERSIONS)
    assert request.parse_response_header(frame).correlation_id == correlation
    response = request.RESPONSE_TYPE.decode(frame)
    assert response.topics == topics
    assert response.API_VERSION == 11


def test_a_broker_that_knows_only_an_older_version_is_asked_as_aiokafka_does() -> None:
    topics = [("t", [(0, 5, 100)])]
    ours = QuickFetch(200, 1, 9, 0, topics).prepare({1: (0, 4)})
    assert ours.encode() == FetchRequest(200, 1, 9, 0, topics).prepare({1: (0, 4)}).encode()
    assert ours.API_VERSION == 4
