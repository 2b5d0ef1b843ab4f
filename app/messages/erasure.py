"""That a lead was erased: the value of `lead-erasures`, by lead id.

JOIN writes it when it forgets the lead; every OUTBOUND holds all of them and sends nothing more of such a
lead. Of several for one lead the furthest `until` counts. It outlives whatever may still wait, so it is kept
as long as the lead's events.
"""

from __future__ import annotations

import msgspec

from app.messages.request import Request, UnixMs


class Erasure(msgspec.Struct, frozen=True):
    """All that was made of the lead's events up to `until` (Unix milliseconds, their records' timestamps)."""

    lead_id: str
    until: UnixMs

    def covers(self, request: Request) -> bool:
        """Whether a request is of the lead as it was erased, and not of one that began anew since."""
        return request.origin.requested_at <= self.until


_erasure = msgspec.json.Decoder(Erasure)


def decode_erasure(value: bytes) -> Erasure:
    """The erasure that a record holds. Raises one of `envelope.UNREADABLE`."""
    return _erasure.decode(value)
