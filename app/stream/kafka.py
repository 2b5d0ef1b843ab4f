"""How every Kafka client of ours is made: addresses, SASL and TLS, and our producer's promises."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import aiokafka.util
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, KafkaTimeoutError

from app.settings import KafkaAuth, Settings
from app.stream.frames import install as install_frames
from app.topics import MAX_RECORD_BYTES, MAX_REJECTED_BYTES

# aiokafka's own is Python and asks the loop whether it runs; it is called some twenty times a request.
aiokafka.util.get_running_loop = asyncio.get_running_loop
install_frames()

_REQUEST_TIMEOUT_MS = 30_000
_TRY_AGAIN_S = 0.2


def tls_context(auth: KafkaAuth) -> ssl.SSLContext | None:
    """The TLS context of the settings; None where the protocol has no TLS."""
    if "SSL" not in auth.protocol:
        return None
    context = ssl.create_default_context(cafile=auth.ca_file or None)
    if auth.cert_file:
        context.load_cert_chain(auth.cert_file, auth.key_file or None)
    return context


def client_options(settings: Settings) -> dict[str, Any]:
    """The options that consumers, producers and admin clients share."""
    auth = settings.kafka_auth
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka,
        "client_id": f"{settings.prefix}-{settings.worker}",
        "security_protocol": auth.protocol,
        "ssl_context": tls_context(auth),
    }
    if auth.protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": auth.mechanism,
            "sasl_plain_username": auth.username,
            "sasl_plain_password": auth.password,
        }
    return options


class PatientProducer(AIOKafkaProducer):
    """aiokafka's producer, except that it waits for Kafka without limit.

    aiokafka gives up what it could not send for `request_timeout_ms` while a partition has no leader (after a
    restart of the broker, say), though it took a sequence number for it, so that every later record of the
    partition is refused. Here only what Kafka refuses for good fails; the rest is written once and in order.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._message_accumulator._batch_ttl = math.inf

    async def send(self, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """As aiokafka's; what it raises before it took the record is no reason to give up either."""
        while True:
            try:
                taken: asyncio.Future[Any] = await super().send(*args, **kwargs)
            except KafkaError as error:
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
            else:
                return taken
            await asyncio.sleep(_TRY_AGAIN_S)

    def post(self, topic: str, partition: int, key: bytes, value: bytes | None) -> asyncio.Future[Any] | None:
        """`send` where nothing has to be waited for; else None, and nothing was taken.

        Returns the future of the record's batch, which is one for many records: it is done, with the offset
        of the batch's first record, when the broker has them all. Raises `MessageSizeTooLargeError`.
        """
        posted = self._post(topic, partition, key, value)
        return None if posted is None else posted.future

    async def write(self, topic: str, partition: int, records: Iterable[tuple[bytes, bytes | None]]) -> int:
        """Write records (key, value; at least one) of one partition in their order.

        Returns the offset of the last one when the broker has them all. Raises aiokafka's `KafkaError`.
        """
        posted, last = None, 0
        acks: dict[asyncio.Future[Any], None] = {}
        for key, value in records:
            posted = self._post(topic, partition, key, value)
            if posted is None:
                ack = await self.send(topic, value, key=key, partition=partition)
            else:
                ack, last = posted.future, posted.record_count - 1
            acks[ack] = None
        await asyncio.wait(acks)  # awaited themselves they would be cancelled with whoever waits
        written = [ack.result() for ack in acks]
        offset: int = written[-1].offset
        return offset if posted is None else offset + last

    def _post(self, topic: str, partition: int, key: bytes, value: bytes | None) -> Any:
        """aiokafka's `send` without a coroutine and a future for each record: the batch that took it.

        Upstream it would take a method of the accumulator that adds without waiting.
        """
        accumulator, tp = self._message_accumulator, TopicPartition(topic, partition)
        leader = self.client.cluster.leader_for_partition(tp)
        if accumulator._closed or accumulator._exception or leader is None:
            return None  # `send` says what there is to say
        self._serialize(key, value, [])
        waiting = accumulator._batches.get(tp)
        batch = waiting[-1] if waiting else accumulator._append_batch(accumulator.create_builder(), tp)
        return None if batch._builder.append(timestamp=None, key=key, value=value) is None else batch


def new_producer(settings: Settings) -> PatientProducer:
    """A producer that keeps order over its own retries and waits for all replicas.

    Its futures are the only word that a record is written: `flush` hides a failed batch.
    """
    return PatientProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=256 * 1024,
        max_request_size=MAX_REJECTED_BYTES,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )


def new_reader(settings: Settings) -> AIOKafkaConsumer:
    """A consumer without a group: it is told what to read and commits nothing."""
    return AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=200,
        max_partition_fetch_bytes=4 * MAX_RECORD_BYTES,
    )


def new_changelog_reader(settings: Settings) -> AIOKafkaConsumer:
    """The same for changelogs, which are read whole: of many partitions little at a time."""
    return AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=200,
        fetch_max_bytes=8 * 1024 * 1024,
        max_partition_fetch_bytes=1024 * 1024,
    )


def new_admin(settings: Settings) -> AIOKafkaAdminClient:
    """A client for topics and their settings."""
    return AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=30_000)


async def coordinator_of(admin: AIOKafkaAdminClient, group: str) -> int:
    """The node that keeps a group. A Kafka that never had one makes a topic for groups: it needs a moment."""
    while True:
        try:
            return int(await admin.find_coordinator(group))
        except GroupCoordinatorNotAvailableError:
            await asyncio.sleep(_TRY_AGAIN_S)


async def committed(
    admin: AIOKafkaAdminClient, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The offset before which a group has handled all of each partition, 0 where it has committed none.

    Raises `KafkaError`.
    """
    coordinator = await coordinator_of(admin, group)
    kept = await admin.list_consumer_group_offsets(group, coordinator, list(partitions))
    return {tp: max(0, kept[tp].offset) if tp in kept else 0 for tp in partitions}


async def read_to(
    reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
    """The records (aiokafka's) from where a reader stands up to `ends`, a poll's of a partition at a time.

    `ends` are those of all partitions that it is assigned. Raises `KafkaError`.
    """
    while any([await reader.position(tp) < end for tp, end in ends.items()]):
        for tp, records in (await reader.getmany(timeout_ms=200)).items():
            yield tp, records


async def topic_names(settings: Settings) -> set[str]:
    """The names of all topics that the broker tells of. Raises `KafkaError`."""
    admin = new_admin(settings)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()
