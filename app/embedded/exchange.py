"""What is put right between a Kafka client and the embedded broker (Tansu 0.6). Pure: frames in, frames out.

Three things are wrong with the broker. Asked for the end of a partition it answers with the offset behind
the first record of the last batch; what a fetch says of the end is right, so one goes with the question.
`InitProducerId` before version 3 it answers with an error, which leaves a client without idempotence. And it
gives a batch its offsets before it stores it, so that a fetch may pass over a batch that is stored after a
later one: what is produced goes to it one after the other (`writes`). The layouts are those of
https://kafka.apache.org/protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from struct import pack, pack_into, unpack_from

from aiokafka.protocol.fetch import FetchRequest_v4, FetchResponse_v4
from aiokafka.protocol.offset import OffsetRequest_v1, OffsetRequest_v2, OffsetResponse_v1, OffsetResponse_v2

_PRODUCE, _FETCH, _LIST_OFFSETS, _API_VERSIONS, _INIT_PRODUCER_ID = 0, 1, 2, 18, 22
_LIST_OFFSETS_LEAST, _LIST_OFFSETS_MOST = 1, 3  # what is read here; every client can do with it
_LATEST = -1  # the timestamp that asks for the end
_FETCH_MS = 20
_NOBODY = b"\xff\xff"  # a null string: the client id of our own questions


@dataclass(frozen=True)
class Exchange:
    """What the broker is asked for one request of a client, and what its answers are made to.

    `writes` is whether it stores records; `answers` is 0 for a request that is not answered.
    """

    requests: tuple[bytes, ...]
    to_answer: Callable[[Sequence[bytes]], bytes]
    answers: int = 1
    writes: bool = False


def exchange_of(frame: bytes) -> Exchange:
    """The exchange for a request, without its length. Raises `ValueError`, `IndexError`, `struct.error`."""
    api_key, version = unpack_from(">hh", frame)
    body_at = _body_at(frame)
    if api_key == _LIST_OFFSETS and version in range(_LIST_OFFSETS_LEAST, _LIST_OFFSETS_MOST + 1):
        return _list_offsets(frame, version, body_at)
    if api_key == _INIT_PRODUCER_ID and version < 2:
        return Exchange((_init_v3(frame, body_at),), _init_v0)
    if api_key == _API_VERSIONS:
        return Exchange((frame,), lambda answers: _capped(answers[0], version))
    if api_key == _PRODUCE:
        return Exchange((frame,), _first, answers=_wants_acks(frame, version, body_at), writes=True)
    return Exchange((frame,), _first)


def _first(answers: Sequence[bytes]) -> bytes:
    return answers[0]


def _body_at(frame: bytes) -> int:
    """Where the body begins, or in newer versions the header's tagged fields: behind the client's id."""
    length: int = unpack_from(">h", frame, 8)[0]
    return 10 + max(0, length)


def _wants_acks(frame: bytes, version: int, body_at: int) -> int:
    at = body_at
    if version >= 9:  # one byte of no tagged fields, a compact string
        at += 2 + max(0, frame[at + 1] - 1)
    elif version >= 3:
        at += 2 + max(0, unpack_from(">h", frame, at)[0])
    (acks,) = unpack_from(">h", frame, at)
    return int(acks != 0)


def _capped(answer: bytes, version: int) -> bytes:
    """The versions that the broker speaks, those of `ListOffsets` only as far as they are read here."""
    capped = bytearray(answer)
    (error,) = unpack_from(">h", answer, 4)
    is_compact = version >= 3 and not error
    at, each = (7, 7) if is_compact else (10, 6)
    count = answer[6] - 1 if is_compact else unpack_from(">i", answer, 6)[0]
    for entry in range(at, at + count * each, each):
        if unpack_from(">h", answer, entry)[0] == _LIST_OFFSETS:
            pack_into(">hh", capped, entry + 2, _LIST_OFFSETS_LEAST, _LIST_OFFSETS_MOST)
    return bytes(capped)


def _init_v3(frame: bytes, body_at: int) -> bytes:
    (length,) = unpack_from(">h", frame, body_at)
    name_at = body_at + 2
    name = b"\0" if length < 0 else bytes([length + 1]) + frame[name_at : name_at + length]
    timeout = frame[name_at + max(0, length) :]
    head = pack(">hh", _INIT_PRODUCER_ID, 3) + frame[4:body_at]
    return head + b"\0" + name + timeout + pack(">qh", -1, -1) + b"\0"


def _init_v0(answers: Sequence[bytes]) -> bytes:
    return answers[0][:4] + answers[0][5:21]


def _list_offsets(frame: bytes, version: int, body_at: int) -> Exchange:
    schema = OffsetRequest_v1.SCHEMA if version == 1 else OffsetRequest_v2.SCHEMA
    *_, topics = schema.decode(BytesIO(frame[body_at:]))
    asked = {
        (topic, partition)
        for topic, partitions in topics
        for partition, timestamp in partitions
        if timestamp == _LATEST
    }
    if not asked:
        return Exchange((frame,), _first)
    question = _fetch(frame[4:8], asked)
    return Exchange((frame, question), lambda answers: _with_ends(answers, version, asked), answers=2)


def _fetch(correlation: bytes, asked: Iterable[tuple[str, int]]) -> bytes:
    """A fetch of nothing, for the ends that come with its answer."""
    topics = [(topic, [(partition, 0, 0)]) for topic, partition in asked]
    body = FetchRequest_v4.SCHEMA.encode([-1, _FETCH_MS, 0, 0, 0, topics])
    return b"".join((pack(">hh", _FETCH, 4), correlation, _NOBODY, body))


def _with_ends(answers: Sequence[bytes], version: int, asked: set[tuple[str, int]]) -> bytes:
    ends = _ends(answers[1])
    if missing := asked - ends.keys():  # better no answer: the client asks again
        raise ValueError(f"the broker told no end of {missing}")
    schema = OffsetResponse_v1.SCHEMA if version == 1 else OffsetResponse_v2.SCHEMA
    *before, topics = schema.decode(BytesIO(answers[0][4:]))
    told = []
    for topic, partitions in topics:
        right = {p: end for (name, p), end in ends.items() if name == topic}
        told.append((topic, [(p, code, at, right.get(p, offset)) for p, code, at, offset in partitions]))
    encoded: bytes = schema.encode([*before, told])
    return answers[0][:4] + encoded


def _ends(answer: bytes) -> dict[tuple[str, int], int]:
    _, topics = FetchResponse_v4.SCHEMA.decode(BytesIO(answer[4:]))
    return {(topic, one[0]): one[2] for topic, partitions in topics for one in partitions}
