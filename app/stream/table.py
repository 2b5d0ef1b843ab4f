"""A Faust table read and written by explicit partition, its changelog by our own producer.

Faust takes the partition of a write from the event it yielded last, which is wrong as soon as a batch
spans partitions, and waits for no changelog ack. So Faust only assigns the table; values go in here: first
the changelog with its ack, then RocksDB together with the offset recovered up to (without it each restart
would read the changelog from 0). A crash in between is mended by `app/stream/recovery.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rocksdict
from faust.stores.rocksdb import RocksDBOptions

from app.stream.faust_app import RoleApp
from app.stream.recovery import write

_BLOCK_CACHE = rocksdict.Cache(64 * 1024 * 1024)  # one for all partitions of the process


class _Options(RocksDBOptions):
    """Faust's options with one shared block cache (its own: 2 GiB a partition) and small write buffers.

    Indexes and filters stay beside the cache, a few bytes a lead: that of a large file found no room in it
    and was decompressed anew for each read.
    """

    def as_options(self) -> Any:
        options = super().as_options()
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_bloom_filter(10, block_based=False)
        blocks.set_block_cache(_BLOCK_CACHE)
        options.set_block_based_table_factory(blocks)
        return options


class PartitionTable:
    """Bytes by partition and key. Only partitions that are assigned to this worker may be touched."""

    def __init__(self, app: RoleApp, name: str, partitions: int) -> None:
        self._table = app.Table(
            name,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            options={"driver": "rocksdict"},
        )
        self._table.data.rocksdb_options = _Options(
            use_rocksdict=True,
            block_cache_size=1,  # it makes one, which nothing uses
            write_buffer_size=2 * 1024 * 1024,
            max_write_buffer_number=2,
            target_file_size_base=32 * 1024 * 1024,
        )

    @property
    def changelog(self) -> str:
        """The name of its changelog topic."""
        name: str = self._table.changelog_topic.get_topic_name()
        return name

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        value: bytes | None = self._db(partition).get(key)
        return value

    def put(self, partition: int, entries: dict[bytes, bytes | None], offset: int) -> None:
        """Write entries (None deletes) that the changelog has acknowledged up to `offset`."""
        write(self._table.data, partition, entries, offset)

    def items(self, partition: int, start: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """Up to `most` entries from key `start` on, in the order of their keys."""
        return list(self._items(partition, start, most))

    def _items(self, partition: int, start: bytes, most: int) -> Iterator[tuple[bytes, bytes]]:
        cursor = self._db(partition).iter()
        cursor.seek(start)
        while cursor.valid() and most:
            if (key := bytes(cursor.key())) != self._table.data.offset_key:
                most -= 1
                yield key, bytes(cursor.value())
            cursor.next()

    def assigned(self) -> set[int]:
        """The partitions that this worker owns now."""
        actives = self._table.app.assignor.assigned_actives()
        return {tp.partition for tp in actives if tp.topic == self.changelog}

    def _db(self, partition: int) -> Any:
        return self._table.data._db_for_partition(partition)
