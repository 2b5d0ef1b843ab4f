"""What was already attempted: read back from the log at assignment, kept while running.

An entry is request, replay and attempt. An attempt that has its row is not made again, so a request that
comes twice (a crash, a rebalance, a mover's repeat) is sent once. The log partition is read from five
minutes before the first uncommitted request to its end, before anything of the partition is sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec
from aiokafka import TopicPartition

from app.kit.logs import logger
from app.messages.envelope import unpack
from app.settings import Settings
from app.stream.kafka import new_reader

KEPT_MS = 5 * 60 * 1000
MOST = 200_000

Attempted = tuple[str, int, int]


class _Row(msgspec.Struct):
    """The part of a log record that memory needs."""

    request_id: str = ""
    replay: int = 0
    attempt: int = 0


_rows = msgspec.json.Decoder(_Row)


class Memory:
    """The attempts of one partition, oldest first; bounded by age and number."""

    def __init__(self) -> None:
        self._at_ms: OrderedDict[Attempted, int] = OrderedDict()

    def remember(self, attempted: Attempted, now_ms: int) -> None:
        """An attempt has its row."""
        self._at_ms[attempted] = now_ms
        self._at_ms.move_to_end(attempted)
        while len(self._at_ms) > MOST or next(iter(self._at_ms.values())) < now_ms - KEPT_MS:
            self._at_ms.popitem(last=False)

    def __contains__(self, attempted: Attempted) -> bool:
        return attempted in self._at_ms

    def __len__(self) -> int:
        return len(self._at_ms)


async def read_memory(settings: Settings, partition: int, first_request_ms: int, now_ms: int) -> Memory:
    """The memory of a partition from its log topic.

    `first_request_ms` is the Kafka timestamp of the first uncommitted request. Raises `KafkaError`.
    """
    memory = Memory()
    tp = TopicPartition(settings.topics.log.name, partition)
    reader = new_reader(settings)
    await reader.start()
    try:
        reader.assign([tp])
        end = (await reader.end_offsets([tp]))[tp]
        start = (await reader.offsets_for_times({tp: max(0, first_request_ms - KEPT_MS)}))[tp]
        if start is None:
            return memory
        reader.seek(tp, start.offset)
        while await reader.position(tp) < end:
            for records in (await reader.getmany(timeout_ms=200)).values():
                for record in records:
                    for attempted in attempted_in(record.value):
                        memory.remember(attempted, now_ms)
    finally:
        await reader.stop()
    return memory


def attempted_in(envelope: bytes | None) -> Iterable[Attempted]:
    """The attempts of one record of `postback-log`; a value that cannot be read has none (LOG names it)."""
    try:
        values = unpack(envelope or b"[]")
        rows = [_rows.decode(value) for value in values]
    except msgspec.MsgspecError as error:
        logger().warning("log record passed over while reading back what was attempted", error=str(error))
        return ()
    return [(row.request_id, row.replay, row.attempt) for row in rows if row.request_id and row.attempt]
