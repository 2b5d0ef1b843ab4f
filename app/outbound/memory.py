"""What was already attempted or put off: read back at assignment, kept while running.

An attempt that has its row is not made again, and a request that was delivered is not sent again at any
attempt (a crash between a retry's copy and its row leaves both the copy and the original). A request that
was put off has no row; its copy in a tier says that the original is to be forgotten. So what comes twice is
sent once. Log and tiers are read from five minutes before the first uncommitted request to their ends,
before anything of the partition is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from hashlib import blake2b
from typing import TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from app.kit.logs import logger
from app.messages.envelope import UNREADABLE, unpack
from app.messages.request import Request
from app.settings import Settings
from app.stream.kafka import new_reader, read_to

KEPT_MS = 5 * 60 * 1000
MOST_ATTEMPTS = 200_000  # of a partition
MOST_PUT_OFFS = 100_000  # likewise: a long lag behind a receiver that hangs makes that many in a minute

T = TypeVar("T")

_DELIVERED = 2**31  # above any attempt's number


class Attempted(msgspec.Struct):
    """The part of a log record that memory needs."""

    request_id: str = ""
    replay: int = 0
    attempt: int = 0
    outcome: str = ""


class Waiting(msgspec.Struct):
    """The part of a request in a tier that memory needs."""

    request_id: str
    replay: int = 0
    attempts: int = 0
    put_offs: int = 0


_attempted = msgspec.json.Decoder(Attempted)
_waiting = msgspec.json.Decoder(Waiting)


class Highest:
    """The highest number told for each key, for five minutes at least, unless more than `most` are told.

    Two generations, of which the older goes at once: in order of age each key would cost three times as much.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self._since_ms = 0  # when the young began

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def is_empty(self) -> bool:
        """Whether no key was told lately."""
        return not self._young and not self._old

    def tell(self, key: bytes, number: int, now_ms: int) -> None:
        """Raise a key to a number."""
        if len(self._young) >= self._most // 2 or now_ms - self._since_ms >= KEPT_MS:
            self._young, self._old, self._since_ms = {}, self._young, now_ms
        self._young[key] = max(number, self._of(key))

    def reaches(self, key: bytes, number: int, now_ms: int) -> bool:
        """Whether a key was told that number or a higher one.

        What is asked for is kept on: whoever repeats it (a crash loop, say) may do so again.
        """
        if self._of(key) < number:
            return False
        self.tell(key, number, now_ms)
        return True

    def _of(self, key: bytes) -> int:
        return max(self._young.get(key, 0), self._old.get(key, 0))


class Memory:
    """What was attempted and put off in one partition."""

    def __init__(self) -> None:
        self._attempts = Highest(MOST_ATTEMPTS)
        self._put_offs = Highest(MOST_PUT_OFFS)

    def remember(self, attempted: Attempted, now_ms: int) -> None:
        """An attempt has its row; one without a sending (attempt 0) is no attempt."""
        if attempted.attempt:
            attempt = _DELIVERED if attempted.outcome == "delivered" else attempted.attempt
            self._attempts.tell(_key(attempted.request_id, attempted.replay), attempt, now_ms)

    def remember_put_off(self, copy: Request | Waiting, now_ms: int) -> None:
        """A copy was written to a tier; one that is there for another reason (0 put-offs) is no put-off."""
        if copy.put_offs:
            self._put_offs.tell(_key(copy.request_id, copy.replay, copy.attempts), copy.put_offs, now_ms)

    def knows(self, request: Request, now_ms: int) -> bool:
        """Whether what would come now was done: the attempt, a later one, a delivery, or a put-off."""
        attempts, put_offs = request.attempts, request.put_offs
        if self._attempts.reaches(_key(request.request_id, request.replay), attempts + 1, now_ms):
            return True
        if self._put_offs.is_empty():
            return False
        key = _key(request.request_id, request.replay, attempts)
        return self._put_offs.reaches(key, put_offs + 1, now_ms)

    def is_delivered(self, request: Request, now_ms: int) -> bool:
        """Whether a row says that it was delivered, at any attempt."""
        return self._attempts.reaches(_key(request.request_id, request.replay), _DELIVERED, now_ms)

    def __len__(self) -> int:
        return len(self._attempts) + len(self._put_offs)


def _key(request_id: str, replay: int, attempts: int = -1) -> bytes:
    """A key of 16 bytes, whatever the length of an id."""
    return blake2b(f"{replay}:{attempts}:{request_id}".encode(), digest_size=16).digest()


async def read_memory(
    settings: Settings,
    partition: int,
    first_request_ms: int,
    now_ms: int,
    goes_on: Callable[[], object] = lambda: None,
) -> Memory:
    """The memory of a partition, from the log's and the tiers'.

    `first_request_ms` is the Kafka timestamp of the first uncommitted request; `goes_on` is called at each
    step, of which there may be minutes. Raises `KafkaError`.
    """
    memory = Memory()
    log = TopicPartition(settings.topics.log.name, partition)
    tiers = [TopicPartition(tier.topic.name, partition) for tier in settings.topics.retries]
    reader = new_reader(settings)
    await reader.start()
    try:
        async for tp, value in _read(reader, [log, *tiers], max(0, first_request_ms - KEPT_MS), goes_on):
            if tp == log:
                for attempted in attempted_in(value):
                    memory.remember(attempted, now_ms)
            else:
                for copy in waiting_in(value):
                    memory.remember_put_off(copy, now_ms)
    finally:
        await reader.stop()
    return memory


async def _read(
    reader: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    since_ms: int,
    goes_on: Callable[[], object],
) -> AsyncIterator[tuple[TopicPartition, bytes | None]]:
    """The records of these partitions from a time to the ends that they have now."""
    reader.assign(partitions)
    ends = await reader.end_offsets(partitions)
    starts = await reader.offsets_for_times(dict.fromkeys(partitions, since_ms))
    for tp in partitions:
        start = starts[tp]
        reader.seek(tp, ends[tp] if start is None else start.offset)
    async for tp, records in read_to(reader, ends):
        goes_on()
        for record in records:
            yield tp, record.value


def attempted_in(envelope: bytes | None) -> Iterator[Attempted]:
    """The attempts of one record of `postback-log`; a value that cannot be read has none (LOG names it)."""
    return _values_in(envelope, _attempted)


def waiting_in(envelope: bytes | None) -> Iterator[Waiting]:
    """The requests of one record of a tier; a value that cannot be read is none (OUTBOUND names it)."""
    return _values_in(envelope, _waiting)


def _values_in(envelope: bytes | None, decoder: msgspec.json.Decoder[T]) -> Iterator[T]:
    try:
        values = unpack(envelope or b"[]")
    except UNREADABLE as error:
        _passed_over(error)
        return
    for value in values:
        try:
            yield decoder.decode(value)
        except UNREADABLE as error:
            _passed_over(error)


def _passed_over(error: Exception) -> None:
    logger().warning("passed over while reading back what was attempted", error=str(error))
