"""The fingerprint of a rendered request: whether it says anything that the last one did not.

What the macros `now`, `time`, `random`, `request` and `event_id` became is taken as a constant, and a
secret's slot as the slot. Rendered text has no U+0000 to U+0002, so these part the pieces here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from app.templates.hole import Volatile
from app.templates.ops import Piece
from app.templates.text import Slot

BYTES = 8


def fingerprint(
    method: str,
    link: Sequence[Piece],
    headers: Iterable[tuple[str, Sequence[Piece]]],
    body: Sequence[Piece] | None,
) -> str:
    """The fingerprint of a request's pieces, in hex."""
    pieces: list[Piece] = [method, "\0", *link]
    for name, value in headers:
        pieces += ("\0", name, "\0", *value)
    if body is not None:
        pieces += ("\0\0", *body)
    text = "".join([piece if piece.__class__ is str else _stand_in(piece) for piece in pieces])
    return hashlib.blake2b(text.encode(), digest_size=BYTES).hexdigest()


def _stand_in(piece: Piece) -> str:
    if isinstance(piece, Slot):
        return f"\1{piece.place} {piece.secret}{piece.filters}\1"
    return "\2" if isinstance(piece, Volatile) else piece
