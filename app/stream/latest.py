"""The latest value of each key of a compacted topic, read when it is asked for. Pure.

A topic of many keys is loaded in the time that its bytes take: what stands in it at start is kept as bytes,
and decoded by its first use, or beforehand as far as there is time. What there is no time for is looked
through later, so that what cannot be read is named in any case. Whatever comes after the load is decoded at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")
Decode = Callable[[str, bytes, int], "Value | None"]


class Latest(Mapping[str, Value], Generic[Value]):
    """A mapping that is fed with records; after `loaded` they are changes.

    `decode(key, value, offset)` returns None for a value that cannot be read, after naming it: such a
    value is skipped and the key keeps the last good one. A null value deletes the key.
    """

    def __init__(self, decode: Decode[Value]) -> None:
        self._decode = decode
        self._values: dict[str, Value] = {}
        self._unread: dict[str, list[tuple[bytes, int]]] = {}
        self._rest: Iterator[str] | None = None

    def put(self, key: str, value: bytes | None, offset: int) -> None:
        """Take the next record."""
        if value is None:
            self._values.pop(key, None)
            self._unread.pop(key, None)
        elif self._rest is None and key not in self._values:
            self._unread.setdefault(key, []).append((value, offset))
        elif (decoded := self._decode(key, value, offset)) is not None:
            self._values[key] = decoded
            self._unread.pop(key, None)

    def loaded(self) -> None:
        """What stood in the topic at start is put."""
        self._rest = iter([*self._unread])

    def read_next(self) -> bool:
        """Read a key that was not read yet, after `loaded`; False when there is none."""
        key = self._next()
        if key is not None:
            self._read(key)
        return key is not None

    def look_next(self) -> bool:
        """The same, but what can be read stays bytes: most keys of a large topic are never asked for."""
        key = self._next()
        if key is not None:
            record = self._read(key)
            if record is not None:
                del self._values[key]
                self._unread[key] = [record]
        return key is not None

    def _next(self) -> str | None:
        return next((key for key in self._rest or () if key in self._unread), None)

    def __getitem__(self, key: str) -> Value:
        if key in self._unread:
            self._read(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        for key in [*self._unread]:
            self._read(key)
        return iter(self._values)

    def __len__(self) -> int:
        """How many keys there are; what was not read yet is counted as if it can be."""
        return len(self._values) + len(self._unread)

    def _read(self, key: str) -> tuple[bytes, int] | None:
        """Decode the newest value that can be, and tell its record; None when none can."""
        for record in reversed(self._unread.pop(key)):
            if (decoded := self._decode(key, *record)) is not None:
                self._values[key] = decoded
                return record
        return None
