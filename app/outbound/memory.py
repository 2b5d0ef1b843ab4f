"""What was already attempted: read back from the log at assignment, kept while running.

An attempt that has its row is not made again, and a request that was delivered is not sent again at any
attempt (a crash between a retry's copy and its row leaves both the copy and the original). So what comes
twice is sent once. The log partition is read from five minutes before the first uncommitted request to its
end, before anything of the partition is sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec
from aiokafka import TopicPartition

from app.kit.logs import logger
from app.messages.envelope import UNREADABLE, unpack
from app.settings import Settings
from app.stream.kafka import new_reader

KEPT_MS = 5 * 60 * 1000
MOST = 200_000

_DELIVERED = 2**31  # above any attempt's number


class Attempted(msgspec.Struct):
    """The part of a log record that memory needs."""

    request_id: str = ""
    replay: int = 0
    attempt: int = 0
    outcome: str = ""


_attempted = msgspec.json.Decoder(Attempted)


class Memory:
    """The requests attempted in one partition, oldest first; bounded by age and number."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()  # → highest, when (ms)

    def remember(self, attempted: Attempted, now_ms: int) -> None:
        """An attempt has its row; one without a sending (attempt 0) is no attempt."""
        if not attempted.attempt:
            return
        attempt = _DELIVERED if attempted.outcome == "delivered" else attempted.attempt
        self._remember((attempted.request_id, attempted.replay), attempt, now_ms)
        while len(self._attempts) > MOST or self._oldest_ms() < now_ms - KEPT_MS:
            self._attempts.popitem(last=False)

    def _remember(self, key: tuple[str, int], attempt: int, now_ms: int) -> None:
        known, _ = self._attempts.get(key, (0, 0))
        self._attempts[key] = (max(known, attempt), now_ms)
        self._attempts.move_to_end(key)

    def _oldest_ms(self) -> int:
        _, at_ms = next(iter(self._attempts.values()))
        return at_ms

    def knows(self, request_id: str, replay: int, attempt: int, now_ms: int) -> bool:
        """Whether that attempt or a later one has its row, or the request was delivered at any attempt.

        What is asked for is kept on: whoever repeats it (a crash loop, say) may do so again.
        """
        key = (request_id, replay)
        highest, _ = self._attempts.get(key, (0, 0))
        if highest < attempt:
            return False
        self._remember(key, highest, now_ms)
        return True

    def __len__(self) -> int:
        return len(self._attempts)


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


def attempted_in(envelope: bytes | None) -> Iterator[Attempted]:
    """The attempts of one record of `postback-log`; a value that cannot be read has none (LOG names it)."""
    try:
        values = unpack(envelope or b"[]")
    except UNREADABLE as error:
        _passed_over(error)
        return
    for value in values:
        try:
            yield _attempted.decode(value)
        except UNREADABLE as error:
            _passed_over(error)


def _passed_over(error: Exception) -> None:
    logger().warning("log record passed over while reading back what was attempted", error=str(error))
