"""The fingerprint of a rendered request: whether it says anything that the last one did not.

What the macros `now`, `time`, `random`, `request` and `event_id` became is taken as a constant, and a
secret's slot as the slot. Rendered text has no U+0000 to U+0002, so these part the pieces here.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from app.templates.ops import Op, Piece
from app.templates.pool import Pool, PoolInMaking, Row

BYTES = 8
_VOLATILE = "\2"


class News:
    """What of a template's request is compared: its method, link, headers and body, as one row."""

    __slots__ = ("_row",)

    def __init__(
        self,
        method: str,
        link: Sequence[Op],
        headers: Sequence[tuple[str, Sequence[Op]]],
        body: Sequence[Op] | None,
        making: PoolInMaking,
    ) -> None:
        ops: list[Op] = [method + "\0", *link]
        for name, value in headers:
            ops += (f"\0{name}\0", *value)
        if body is not None:
            ops += ("\0\0", *body)
        self._row = Row(ops, making)

    def fingerprint(self, raw: Sequence[str], pool: list[Piece], made: Pool) -> bytes:
        """The fingerprint of a rendering, 8 bytes of BLAKE2b; its pool is used up."""
        for index, text in made.stand_ins:
            pool[index] = text
        for index in made.volatile:
            pool[index] = _VOLATILE
        if made.volatile and not self._row.is_fixed:  # what is left out must not depend on them either
            raw = [_VOLATILE if at in made.volatile else text for at, text in enumerate(raw)]
        text = "".join(self._row.pieces(raw, pool))
        return blake2b(text.encode(), digest_size=BYTES).digest()
