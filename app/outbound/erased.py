"""The erased leads as a worker follows them: nothing more is sent of one, within a second."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from app.kit.logs import logger
from app.messages.envelope import UNREADABLE
from app.messages.erasure import Erasure, decode_erasure
from app.messages.request import Request
from app.settings import Settings
from app.stream.whole import WholeTable


class Erasures:
    """One worker's view; `follow` keeps it, `ready` says that it is complete."""

    def __init__(self, settings: Settings) -> None:
        self._table: WholeTable[Erasure] = WholeTable(settings, settings.topics.erasures.name, self._furthest)
        self._table.loaded()  # none is read later: each counts, not the last alone
        self.ready = self._table.ready

    def follow(self) -> Coroutine[Any, Any, None]:
        """Read the erasures until cancelled."""
        return self._table.follow()

    def cover(self, request: Request) -> bool:
        """Whether the request is of a lead that was erased since."""
        if not len(self._table):
            return False
        erasure = self._table.get(request.origin.lead_id)
        return erasure is not None and erasure.covers(request)

    def _furthest(self, key: str, value: bytes, offset: int) -> Erasure | None:
        """The erasure of a lead that reaches furthest; one that cannot be read is named.

        A later one may end earlier: clocks go back, and a lead's events may be in two partitions.
        """
        try:
            erasure = decode_erasure(value)
        except UNREADABLE as error:
            logger().error("erasure cannot be read: its lead's requests are sent", lead=key, fault=str(error))
            return None
        known = self._table.get(key)
        return erasure if known is None or known.until < erasure.until else known
