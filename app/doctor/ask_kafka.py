"""Ask Kafka for what the checks look at: each question with its own time, and nothing is changed or made.

A broker may lack an API (a small one for development does): what depends on it is `Unknown`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.protocol.admin import ApiVersionRequest

from app.doctor.ask_records import asked, read
from app.doctor.check_workers import ROLES, read_by
from app.doctor.facts import Broker, ConsumerGroup, FoundTopic, Kafka, KafkaAway, Partition
from app.doctor.finding import Unknown
from app.messages.envelope import UNREADABLE
from app.messages.state import Postback, PostbackState, decode_state, postback_of
from app.settings import Settings
from app.stream.kafka import coordinator_of, new_admin
from app.stream.whole import read_whole

CONNECT_S = 3.0
_ABOUT_CLIENT = re.compile(r'^Unable connect to "[^"]*": |:? *<AIOKafka[^>]*>')
_SOCKET_S = 1.5
_NEEDED = {
    **{0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit", 9: "OffsetFetch"},
    **{10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup"},
    **{19: "CreateTopics", 22: "InitProducerId"},
}
"""The requests that a worker makes (https://kafka.apache.org/protocol#protocol_api_keys)."""


async def ask_kafka(settings: Settings, now_ms: int) -> Kafka | KafkaAway:
    """Everything about Kafka, or why it cannot be asked."""
    servers = await _reached(settings.kafka.split(","))
    if all(server.fault for server in servers):
        return KafkaAway(servers)
    admin = new_admin(settings)
    try:
        with _quiet() as said:
            try:
                async with asyncio.timeout(CONNECT_S):
                    await admin.start()
            except (KafkaError, OSError, TimeoutError):
                away = [server.address for server in servers if server.fault]
                heard = [text for text in said if not any(address in text for address in away)]
                return KafkaAway(servers, _ABOUT_CLIENT.sub("", heard[-1]) if heard else "")
            return await _ask(admin, settings, now_ms)
    finally:
        await admin.close()


async def _ask(admin: AIOKafkaAdminClient, settings: Settings, now_ms: int) -> Kafka:
    nodes = admin._client.cluster.brokers()
    brokers = await _reached([f"{node.host}:{node.port}" for node in nodes])
    if all(broker.fault for broker in brokers):
        return _unreachable(brokers)
    topics = await asked(_topics(admin))
    found = {} if isinstance(topics, Unknown) else topics
    ours = [topic.name for topic in settings.topics.all() if topic.name in found]
    partitions = [(name, number) for name in ours for number in range(found[name].partitions)]
    of_roles = asyncio.gather(*(asked(_group(admin, settings, role, partitions)) for role in ROLES))
    lacks, topic_settings, flows, states, seen = await asyncio.gather(
        asked(_lacks(admin)),
        asked(_settings_of(admin, ours)),
        asked(_flows(settings, ours)),
        asked(_states(settings, ours)),
        read(settings, partitions, now_ms),
    )
    spans, old_until, sample, arrivals = seen
    return Kafka(
        brokers=brokers,
        lacks=() if isinstance(lacks, Unknown) else lacks,
        topics=topics,
        topic_settings=topic_settings,
        spans=spans,
        old_until=old_until,
        groups=dict(zip(ROLES, await of_roles, strict=True)),
        sample=sample,
        arrivals=arrivals,
        flows=flows,
        states=states,
    )


def _unreachable(brokers: Sequence[Broker]) -> Kafka:
    away = Unknown("the addresses that Kafka announces are not reached")
    return Kafka(brokers, (), away, away, away, away, dict.fromkeys(ROLES, away), *[away] * 4)


@contextmanager
def _quiet() -> Any:
    """Keep what the client says from the terminal, and hand it out."""
    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log, handler = logging.getLogger("aiokafka"), Heard(logging.WARNING)
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        yield said
    finally:
        log.propagate = propagate
        log.removeHandler(handler)


async def _reached(addresses: Iterable[str]) -> list[Broker]:
    """Whether a connection can be made to each address."""

    async def reach(address: str) -> Broker:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(_SOCKET_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except TimeoutError:
            return Broker(address, f"no answer within {_SOCKET_S:g} s")
        except OSError as error:
            return Broker(address, _said_by_the_system(error))
        writer.close()
        return Broker(address)

    return list(await asyncio.gather(*map(reach, dict.fromkeys(addresses))))


def _said_by_the_system(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:  # asyncio puts its own words over the system's
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _lacks(admin: AIOKafkaAdminClient) -> list[str]:
    client = admin._client
    answer = await client.send(client.get_random_node(), ApiVersionRequest())
    known = {key for key, *_ in answer.api_versions}
    return [name for key, name in _NEEDED.items() if key not in known]


async def _topics(admin: AIOKafkaAdminClient) -> dict[str, FoundTopic]:
    # all are asked for: asking by name makes a missing one where brokers create topics by themselves
    return {topic["topic"]: _found(topic["partitions"]) for topic in await admin.describe_topics()}


def _found(partitions: Sequence[Mapping[str, Any]]) -> FoundTopic:
    return FoundTopic(
        partitions=len(partitions),
        replicas=min((len(p["replicas"]) for p in partitions), default=0),
        leaderless=[p["partition"] for p in partitions if p["leader"] < 0],
        short=[p["partition"] for p in partitions if len(p["isr"]) < len(p["replicas"])],
    )


async def _settings_of(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers: list[Any] = await admin.describe_configs(asked)
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


async def _flows(settings: Settings, names: Sequence[str]) -> dict[str, bytes]:
    topic = _there(settings.topics.flow_configs.name, names)
    return await read_whole(settings, topic, lambda key, value, offset: value)


async def _states(settings: Settings, names: Sequence[str]) -> dict[Postback, PostbackState]:
    topic = _there(settings.topics.postback_states.name, names)
    kept = await read_whole(settings, topic, lambda key, value, offset: _state(value))
    return {postback: state for key, state in kept.items() if (postback := postback_of(key))}


def _state(value: bytes) -> PostbackState | None:
    try:
        return decode_state(value)
    except UNREADABLE:
        return None


def _there(topic: str, names: Sequence[str]) -> str:
    if topic not in names:
        raise UnknownTopicOrPartitionError(f"there is no topic {topic}")
    return topic


async def _group(
    admin: AIOKafkaAdminClient, settings: Settings, role: str, partitions: Sequence[Partition]
) -> ConsumerGroup:
    names, group = read_by(role, settings), f"{settings.prefix}-{role}"
    coordinator = await coordinator_of(admin, group)
    [answer] = await admin.describe_consumer_groups([group], coordinator)
    [described] = answer.to_object()["groups"]
    asked = [TopicPartition(name, number) for name, number in partitions if name in names]
    offsets = await admin.list_consumer_group_offsets(group, coordinator, asked) if asked else {}
    committed = {(tp.topic, tp.partition): kept.offset for tp, kept in offsets.items() if kept.offset >= 0}
    return ConsumerGroup(len(described["members"]), described["state"], committed)
