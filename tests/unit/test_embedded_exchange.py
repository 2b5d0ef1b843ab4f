"""What is put right on the way to the embedded broker and back, frame by frame, by Kafka's protocol."""

from __future__ import annotations

from io import BytesIO
from struct import pack

import pytest
from aiokafka.protocol.fetch import FetchRequest_v4, FetchResponse_v4
from aiokafka.protocol.offset import OffsetRequest_v1, OffsetRequest_v2, OffsetResponse_v1, OffsetResponse_v2
from hypothesis import given
from hypothesis import strategies as st

from app.embedded.exchange import exchange_of

_CORRELATION = b"\0\0\0\7"
_CLIENT = b"\0\2me"


def _request(api_key: int, version: int, body: bytes) -> bytes:
    return pack(">hh", api_key, version) + _CORRELATION + _CLIENT + body


def _partition(number: int, end: int) -> tuple[object, ...]:
    return (number, 0, end, end, [], b"")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_end_of_a_partition_is_what_a_fetch_says_of_it(version: int) -> None:
    asked = [("t", [(0, -1), (1, -2)])]
    body = (
        OffsetRequest_v1.SCHEMA.encode([-1, asked])
        if version == 1
        else OffsetRequest_v2.SCHEMA.encode([-1, 0, asked])
    )
    frame = _request(2, version, body)
    exchange = exchange_of(frame)
    assert exchange.requests[0] == frame
    assert exchange.requests[1][:8] == b"\0\1\0\4" + _CORRELATION
    *_, fetched = FetchRequest_v4.SCHEMA.decode(BytesIO(exchange.requests[1][10:]))
    assert [(topic, [one[0] for one in partitions]) for topic, partitions in fetched] == [("t", [0])]

    wrong = [("t", [(0, 0, 5, 1), (1, 0, 5, 0)])]
    schema, told = (
        (OffsetResponse_v1.SCHEMA, [wrong]) if version == 1 else (OffsetResponse_v2.SCHEMA, [0, wrong])
    )
    ends = FetchResponse_v4.SCHEMA.encode([0, [("t", [_partition(0, 12)])]])
    answer = exchange.to_answer([_CORRELATION + schema.encode(told), _CORRELATION + ends])
    assert answer[:4] == _CORRELATION
    assert schema.decode(BytesIO(answer[4:]))[-1] == [("t", [(0, 0, 5, 12), (1, 0, 5, 0)])]


def test_an_end_that_the_fetch_does_not_tell_is_no_answer() -> None:
    exchange = exchange_of(_request(2, 1, OffsetRequest_v1.SCHEMA.encode([-1, [("t", [(0, -1)])]])))
    listed = OffsetResponse_v1.SCHEMA.encode([[("t", [(0, 0, 5, 1)])]])
    with pytest.raises(ValueError, match="no end"):
        exchange.to_answer([_CORRELATION + listed, _CORRELATION + FetchResponse_v4.SCHEMA.encode([0, []])])


def test_a_question_for_other_offsets_goes_alone() -> None:
    frame = _request(
        2, 1, OffsetRequest_v1.SCHEMA.encode([-1, [("t", [(0, -2)]), ("u", [(0, 1_700_000_000_000)])]])
    )
    assert exchange_of(frame).requests == (frame,)


@pytest.mark.parametrize(("name", "compact"), [(b"\xff\xff", b"\0"), (b"\0\2tx", b"\3tx")])
@pytest.mark.parametrize("version", [0, 1])
def test_a_producer_gets_its_id_by_version_3(version: int, name: bytes, compact: bytes) -> None:
    exchange = exchange_of(_request(22, version, name + pack(">i", 9)))
    new = pack(">hh", 22, 3) + _CORRELATION + _CLIENT + b"\0" + compact + pack(">iqh", 9, -1, -1) + b"\0"
    assert exchange.requests == (new,)
    answer = pack(">ihqh", 0, 0, 41, 3)
    assert exchange.to_answer([_CORRELATION + b"\0" + answer + b"\0"]) == _CORRELATION + answer


@pytest.mark.parametrize("version", [0, 2, 3])
def test_the_broker_offers_only_what_is_read_here(version: int) -> None:
    entries = [(0, 3, 11), (2, 0, 9), (22, 0, 5)]
    capped = [(0, 3, 11), (2, 1, 3), (22, 0, 5)]

    def answer(told: list[tuple[int, int, int]]) -> bytes:
        if version < 3:
            return _CORRELATION + pack(">hi", 0, 3) + b"".join(pack(">hhh", *one) for one in told) + b"rest"
        return _CORRELATION + pack(">hB", 0, 4) + b"".join(pack(">hhhB", *one, 0) for one in told) + b"rest"

    exchange = exchange_of(_request(18, version, b""))
    assert exchange.to_answer([answer(entries)]) == answer(capped)


@pytest.mark.parametrize(("acks", "answers"), [(0, 0), (1, 1), (-1, 1)])
@pytest.mark.parametrize(
    ("version", "before"), [(2, b""), (7, b"\xff\xff"), (7, b"\0\2tx"), (9, b"\0\0"), (9, b"\0\3tx")]
)
def test_what_asks_for_no_ack_is_not_waited_for(version: int, before: bytes, acks: int, answers: int) -> None:
    frame = _request(0, version, before + pack(">h", acks) + b"records")
    exchange = exchange_of(frame)
    assert (exchange.requests, exchange.answers, exchange.writes) == ((frame,), answers, True)


@given(st.integers(3, 80).filter(lambda key: key not in (18, 22)), st.integers(0, 20), st.binary())
def test_whatever_else_is_asked_passes_untouched(api_key: int, version: int, body: bytes) -> None:
    frame = _request(api_key, version, body)
    exchange = exchange_of(frame)
    assert (exchange.requests, exchange.answers, exchange.writes) == ((frame,), 1, False)
    assert exchange.to_answer([body]) == body
