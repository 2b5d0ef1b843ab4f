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
