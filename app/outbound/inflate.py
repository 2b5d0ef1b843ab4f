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
        out, fault = _run(body, wrapper, limit_bytes, step=max(len(body), 1))
        if fault:
            # zlib keeps nothing of a call that fails; byte by byte, nothing before the fault is lost.
            out, fault = _run(body, wrapper, limit_bytes, step=1)
        # Text reads as raw deflate for a while by chance: there only a whole stream counts.
        if not fault or (out and wrapper != _RAW):
            return out
    return body


def _run(body: bytes, wrapper: int, limit_bytes: int, step: int) -> tuple[bytes, bool]:
    """What comes out of `body`, fed in pieces of `step` bytes, and whether it is broken."""
    out = bytearray()
    stream = zlib.decompressobj(wrapper)
    try:
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            while piece and len(out) < limit_bytes:
                if stream.eof:
                    if wrapper != _GZIP:
                        return bytes(out), False
                    stream = zlib.decompressobj(wrapper)  # several members: RFC 1952, 2.2
                out += stream.decompress(piece, limit_bytes - len(out))
                piece = stream.unused_data if stream.eof else stream.unconsumed_tail
    except zlib.error:
        return bytes(out), True
    if stream.eof or len(out) >= limit_bytes:
        return bytes(out), False
    # It ends early. Without a byte out of it, a short text such as `1` only began like this form.
    return bytes(out), bool(body) and (wrapper == _RAW or not out)
