"""Content-Encoding undone, within bounds."""

from __future__ import annotations

import gzip
import zlib

import pytest

from app.outbound.inflate import inflate

_TEXT = b'{"ok": true, "text": "' + b"abcdefghij" * 300 + b'"}'
_LIMIT = 64 * 1024


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (_TEXT, ""),
        (_TEXT, "identity"),
        (gzip.compress(_TEXT, mtime=0), "gzip"),
        (gzip.compress(_TEXT, mtime=0), "GZIP"),
        (gzip.compress(_TEXT, mtime=0), "x-gzip"),
        (gzip.compress(_TEXT, mtime=0), " identity , gzip "),
        (zlib.compress(_TEXT), "deflate"),
        (_raw_deflate(_TEXT), "deflate"),
        (gzip.compress(zlib.compress(_TEXT), mtime=0), "deflate, gzip"),
        (gzip.compress(_TEXT[:10], mtime=0) + gzip.compress(_TEXT[10:], mtime=0), "gzip"),
        (gzip.compress(_TEXT, mtime=0) + b"garbage after it", "gzip"),
        (zlib.compress(_TEXT) + b"garbage after it", "deflate"),
        (gzip.compress(_TEXT, mtime=0)[:-8] + b"bad crc!", "gzip"),
    ],
)
def test_an_encoded_body_comes_out_as_it_was(body: bytes, encoding: str) -> None:
    assert inflate(body, encoding, _LIMIT) == _TEXT


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("body", [b'{"ok": true}', b"OK", b"success=1&id=77", b"", b"1"])
def test_a_body_that_is_not_compressed_at_all_stays_as_it_came(body: bytes, encoding: str) -> None:
    assert inflate(body, encoding, _LIMIT) == body


def test_an_encoding_that_is_not_ours_is_left() -> None:
    assert inflate(b"\x8b\x00", "br", _LIMIT) == b"\x8b\x00"
    assert inflate(gzip.compress(b"\x8b\x00", mtime=0), "br, gzip", _LIMIT) == b"\x8b\x00"


@pytest.mark.parametrize("wrap", [gzip.compress, zlib.compress, _raw_deflate])
def test_a_bomb_gives_the_limit_and_no_more(wrap) -> None:  # type: ignore[no-untyped-def]
    encoding = "gzip" if wrap is gzip.compress else "deflate"
    assert inflate(wrap(b"\0" * 50_000_000), encoding, _LIMIT) == b"\0" * _LIMIT


def test_a_bomb_inside_a_bomb_gives_the_limit_and_no_more() -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 50_000_000, mtime=0))
    assert len(inflate(bomb, "gzip, gzip", _LIMIT)) <= _LIMIT


def test_many_layers_are_not_peeled() -> None:
    body = b"x"
    for _ in range(4):
        body = gzip.compress(body, mtime=0)
    assert inflate(body, "gzip, gzip, gzip, gzip", _LIMIT) == body


def test_what_came_out_before_a_fault_is_kept() -> None:
    text = bytes(range(256)) * 40
    broken = bytearray(gzip.compress(text, compresslevel=0, mtime=0))
    broken = broken[:5000]
    assert text.startswith(inflate(bytes(broken), "gzip", _LIMIT))
    assert len(inflate(bytes(broken), "gzip", _LIMIT)) > 4000
