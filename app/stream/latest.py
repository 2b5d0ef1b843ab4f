"""The latest value of each key of a compacted topic, read when it is asked for. Pure.

A topic of many keys is loaded in the time that its bytes take: what stands in it at start is kept as bytes,
and decoded by its first use. Whatever comes later is decoded, and named if it cannot be, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")
Decode = Callable[[str, bytes, int], "Value | None"]


class Latest(Mapping[str, Value], Generic[Value]):
    """A mapping that is fed with records; `is_loaded` is whether they are changes by now.

    `decode(key, value, offset)` returns None for a value that cannot be read, after naming it: such a
    value is skipped and the key keeps the last good one. A null value deletes the key.
    """

    def __init__(self, decode: Decode[Value]) -> None:
        self._decode = decode
        self._values: dict[str, Value] = {}
        self._unread: dict[str, list[tuple[bytes, int]]] = {}
        self.is_loaded = False

    def put(self, key: str, value: bytes | None, offset: int) -> None:
        """Take the next record."""
        if value is None:
            self._values.pop(key, None)
            self._unread.pop(key, None)
        elif not self.is_loaded and key not in self._values:
            self._unread.setdefault(key, []).append((value, offset))
        elif (decoded := self._decode(key, value, offset)) is not None:
            self._values[key] = decoded
            self._unread.pop(key, None)

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

    def _read(self, key: str) -> None:
        for value, offset in reversed(self._unread.pop(key)):
            if (decoded := self._decode(key, value, offset)) is not None:
                self._values[key] = decoded
                return
