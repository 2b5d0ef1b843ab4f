"""For every body: what was compressed comes back, and nothing grows beyond the limit."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from app.outbound.inflate import inflate

_encodings = st.sampled_from(["gzip", "deflate", "gzip, deflate", "identity", "br", ", ,", "x-gzip"])


@given(st.binary(max_size=2000))
def test_compressing_is_undone(body: bytes) -> None:
    assert inflate(gzip.compress(body), "gzip", 4000) == body
    assert inflate(zlib.compress(body), "deflate", 4000) == body


@given(st.binary(max_size=500), _encodings, st.integers(0, 200))
def test_no_bytes_of_a_stranger_raise_or_pass_the_limit(body: bytes, encoding: str, limit: int) -> None:
    assert len(inflate(body, encoding, limit)) <= limit


@given(st.binary(max_size=500), st.integers(0, 600), st.binary(max_size=5))
def test_a_damaged_gzip_gives_the_beginning_of_what_it_held(body: bytes, cut: int, tail: bytes) -> None:
    packed = gzip.compress(body)
    damaged = packed[:cut] + tail
    out = inflate(damaged, "gzip", 4000)
    if cut >= 18 and not tail:
        assert body.startswith(out)


def _one_byte_at_a_time(packed: bytes) -> bytes:
    stream, out = zlib.decompressobj(31), bytearray()
    try:
        for at in range(len(packed)):
            if stream.eof:
                stream = zlib.decompressobj(31)
            out += stream.decompress(packed[at : at + 1])
    except zlib.error:
        return bytes(out) or packed
    return bytes(out) if out or stream.eof else packed


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.floats(0, 1), st.integers(1, 255))
def test_nothing_before_a_fault_is_lost(members: list[bytes], where: float, flip: int) -> None:
    packed = bytearray(b"".join(map(gzip.compress, members)))
    packed[min(int(where * len(packed)), len(packed) - 1)] ^= flip
    assert inflate(bytes(packed), "gzip", 4000) == _one_byte_at_a_time(bytes(packed))


def test_a_bomb_of_empty_members_costs_no_more_than_its_bytes() -> None:
    packed = gzip.compress(b"") * 3000 + b"junk"
    assert inflate(packed, "gzip, gzip, gzip", 100) == packed[:100]
