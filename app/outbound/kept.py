"""What one postback keeps, folded from `postback-parked`, and the order of its release. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.messages.envelope import UNREADABLE
from app.messages.request import Request
from app.messages.state import Postback
from app.outbound.incoming import read_request
from app.outbound.parking import postback_of

Place = tuple[int, bytes]
"""Partition and key: what a later record of `postback-parked` replaces."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept request: its record's address and key, its bytes, and what the order of release needs."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    lead_id: str
    lead_seq: int
    replay: int
    requested_at: int

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self.partition, self.key

    @property
    def request(self) -> Request:
        """The request itself."""
        return read_request(self.value)


@dataclass
class Shelf:
    """The requests that one postback keeps, and the records that could not be read (`partition:offset`)."""

    postback: Postback
    kept: dict[Place, Kept] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def apply(self, partition: int, offset: int, key: bytes, value: bytes | None) -> None:
        """Take the next record of a partition, of whatever postback."""
        if value is None:
            self.kept.pop((partition, key), None)
            return
        try:
            request = read_request(value)
        except UNREADABLE:
            self.unreadable.append(f"{partition}:{offset}")
            return
        if postback_of(request) == self.postback:
            origin = request.origin
            self.kept[partition, key] = Kept(
                partition,
                offset,
                key,
                value,
                origin.lead_id,
                origin.lead_seq,
                request.replay,
                origin.requested_at,
            )


def release_order(kept: Iterable[Kept]) -> list[Kept]:
    """The kept requests of one postback, oldest first; those of one lead always by `lead_seq`.

    The timestamps of a lead's events need not rise with its `lead_seq`: a request is as old as the newest of
    its lead's requests up to it.
    """
    turns = []
    newest: dict[tuple[int, str], int] = {}
    for one in sorted(kept, key=lambda one: (one.lead_seq, one.replay)):
        lane = (one.partition, one.lead_id)
        newest[lane] = max(newest.get(lane, one.requested_at), one.requested_at)
        turns.append((newest[lane], one.lead_seq, one.replay, one.lead_id, one))
    return [one for *_, one in sorted(turns, key=lambda turn: turn[:4])]
