"""Which offsets of a partition may be committed: only the contiguous prefix of what was taken.

Pure. Faust 0.15.3 commits past unfinished messages when they finish out of order (its gap check lets a
gap of one through, and any gap on a fresh group: faust-streaming#312, #606), so its own bookkeeping is
not used: a record is committed when it and all records taken before it are finished. Offsets may have
gaps (compaction, transactions); the order of `begin` is what counts.
"""

from __future__ import annotations

from collections import OrderedDict


class Ledger:
    """One partition's records between being taken and being committed."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, list[int]] = OrderedDict()  # offset → [values unfinished, bytes]
        self.values = 0
        self.bytes = 0

    def begin(self, offset: int, values: int, size_bytes: int) -> None:
        """A record of `values` values was taken. Offsets rise; a record with no values is `finish`ed once."""
        self._open[offset] = [max(values, 1), size_bytes]
        self.values += max(values, 1)
        self.bytes += size_bytes

    def finish(self, offset: int) -> int | None:
        """One value of a record is finished.

        Returns the offset to commit (the next to read) when the prefix grew, else None.
        Raises `KeyError` when the record is not open: a value finished twice is our bug.
        """
        record = self._open[offset]
        record[0] -= 1
        self.values -= 1
        if record[0]:
            return None
        committable = None
        while self._open:
            head, (unfinished, size_bytes) = next(iter(self._open.items()))
            if unfinished:
                break
            del self._open[head]
            self.bytes -= size_bytes
            committable = head + 1
        return committable

    def __len__(self) -> int:
        return len(self._open)
