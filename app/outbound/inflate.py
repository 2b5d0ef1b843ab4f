"""Undo an answer's Content-Encoding within a bound, so that a small answer cannot become a large one.

Only what we ask for is undone: `gzip` (also `x-gzip`) and `deflate`, which servers send both in a zlib
wrapper (RFC 9110, 8.4.1.2) and raw. Broken input is no error: what came out before the fault is the body,
and a body that was not compressed at all, whatever its header says, stays as it came.
"""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_WRAPPERS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _RAW)}
MAX_LAYERS = 3  # `gzip, gzip` is seen behind proxies; more is an attack on us


def inflate(body: bytes, content_encoding: str, limit_bytes: int) -> bytes:
    """The body without its encodings, at most `limit_bytes` of it.

    `content_encoding` is the header's value; encodings are undone from the last to the first, up to the
    first one that is not known to us.
    """
    layers = [name.strip().lower() for name in content_encoding.split(",") if name.strip()]
    if len(layers) > MAX_LAYERS:
        return body[:limit_bytes]
    for name in reversed(layers):
        if name == "identity":
            continue
        if name not in _WRAPPERS:
            break
        body = _undo(body, _WRAPPERS[name], limit_bytes)
    return body[:limit_bytes]


def _undo(body: bytes, wrappers: tuple[int, ...], limit_bytes: int) -> bytes:
    for wrapper in wrappers:
        out, fault = _run(body, wrapper, limit_bytes)
        # Text reads as raw deflate for a while by chance: there only a whole stream counts.
        if not fault or (out and wrapper != _RAW):
            return out
    return body


def _run(body: bytes, wrapper: int, limit_bytes: int) -> tuple[bytes, bool]:
    """What comes out of `body`, and whether it is broken."""
    out = bytearray()
    stream = zlib.decompressobj(wrapper)
    at, step = 0, max(len(body), 1)
    while at < len(body) and len(out) < limit_bytes and (wrapper == _GZIP or not stream.eof):
        before, length = stream.copy(), len(out)
        try:
            stream = _feed(stream, body[at : at + step], wrapper, limit_bytes, out)
        except zlib.error:
            if step == 1:
                return bytes(out), True
            # zlib keeps nothing of a call that fails: in smaller pieces nothing before the fault is lost.
            stream, step = before, max(step // 16, 1)
            del out[length:]
        else:
            at += step
    if stream.eof or len(out) >= limit_bytes:
        return bytes(out), False
    # It ends early. Without a byte out of it, a short text such as `1` only began like this form.
    return bytes(out), bool(body) and (wrapper == _RAW or not out)


def _feed(
    stream: zlib._Decompress, piece: bytes, wrapper: int, limit_bytes: int, out: bytearray
) -> zlib._Decompress:
    """Append what comes out of a piece; the stream that goes on, a new one a member (RFC 1952, 2.2)."""
    while piece and len(out) < limit_bytes:
        if stream.eof:
            if wrapper != _GZIP:
                break
            stream = zlib.decompressobj(wrapper)
        out += stream.decompress(piece, limit_bytes - len(out))
        piece = stream.unused_data if stream.eof else stream.unconsumed_tail
    return stream
