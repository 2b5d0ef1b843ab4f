"""Make the topics as they should be: missing ones are created, changed settings are set, nothing is removed.

The partition count is chosen once, because lead ids are hashed over it: a change is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, TopicAlreadyExistsError

from app.settings import Settings
from app.stream.kafka import new_admin
from app.topics import Topic

_LOOK_S = 0.1
_SET_ON_THE_TOPIC = 1  # config source DYNAMIC_TOPIC_CONFIG


class TopicFault(Exception):
    """A topic cannot be made or is not what this installation needs; the text says which and what to do."""


async def migrate_topics(settings: Settings) -> list[str]:
    """Create and adjust all topics of the prefix.

    Returns what was done, a line each (empty when all was as it should be). Raises `TopicFault` and
    aiokafka's `KafkaError`.
    """
    admin = new_admin(settings)
    await admin.start()
    try:
        wanted = settings.topics.all()
        found = await _partitions(admin, wanted)
        _refuse_other_counts(wanted, found)
        done = await _create(admin, [t for t in wanted if t.name not in found], settings.replication)
        await _all_told(admin, wanted)
        return done + await _adjust(admin, [t for t in wanted if t.name in found])
    finally:
        await admin.close()


async def check_topics(settings: Settings, topics: Sequence[Topic] = ()) -> None:
    """Raises `TopicFault` when a topic of `topics` (default: all) is missing or has other partitions."""
    admin = new_admin(settings)
    await admin.start()
    try:
        wanted = list(topics) or settings.topics.all()
        found = await _partitions(admin, wanted)
    finally:
        await admin.close()
    _refuse_other_counts(wanted, found)
    if missing := [topic.name for topic in wanted if topic.name not in found]:
        raise TopicFault(f"topic {missing[0]} is missing ({len(missing)} in all): run postbacks migrate")


async def _all_told(admin: AIOKafkaAdminClient, wanted: list[Topic]) -> None:
    """Wait until the broker tells of what it made, so that a worker may start next."""
    while True:
        if len(await _partitions(admin, wanted)) == len(wanted):
            return
        await asyncio.sleep(_LOOK_S)


async def _partitions(admin: AIOKafkaAdminClient, wanted: list[Topic]) -> dict[str, int]:
    names = {topic.name for topic in wanted}
    # all topics are asked for: asking by name makes a missing one where brokers create topics by themselves
    described = await admin.describe_topics()
    return {d["topic"]: len(d["partitions"]) for d in described if d["topic"] in names}


def _refuse_other_counts(wanted: list[Topic], found: dict[str, int]) -> None:
    for topic in wanted:
        count = found.get(topic.name, topic.partitions)
        if count != topic.partitions:
            raise TopicFault(
                f"topic {topic.name} has {count} partitions, the settings ask for {topic.partitions}: "
                f"the count is chosen once (leads would change partition); set POSTBACKS_PARTITIONS={count}"
            )


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic], replication: int) -> list[str]:
    if not topics:
        return []
    answer = await admin.create_topics(
        [NewTopic(t.name, t.partitions, replication, topic_configs=t.settings()) for t in topics]
    )
    known = {name for name, code, _ in answer.topic_errors if code == TopicAlreadyExistsError.errno}
    for name, code, message in answer.topic_errors:
        if code and name not in known:  # another migrate was quicker, or the broker had not yet told of it
            raise TopicFault(f"topic {name} cannot be made: {message or f'Kafka error {code}'}")
    return [f"topic {t.name} made, {t.partitions} partitions" for t in topics if t.name not in known]


async def _adjust(admin: AIOKafkaAdminClient, topics: list[Topic]) -> list[str]:
    done = []
    for topic in topics:
        have, own = await _settings(admin, topic.name)
        want = topic.settings()
        changed = {name: value for name, value in want.items() if have.get(name) != value}
        if changed:
            await _alter(admin, topic.name, own | want)
            done += [f"topic {topic.name}: {name} is now {value}" for name, value in changed.items()]
    return done


async def _alter(admin: AIOKafkaAdminClient, name: str, settings: dict[str, str]) -> None:
    """Replace all of a topic's own settings; `settings` hold what others set, too."""
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])
    except IncompatibleBrokerVersion as error:
        told = ", ".join(f"{setting}={value}" for setting, value in sorted(settings.items()))
        raise TopicFault(
            f"topic {name} should have {told}, and this broker cannot change a topic's settings: set them "
            "with the broker's own tools, or make the topic anew"
        ) from error


async def _settings(admin: AIOKafkaAdminClient, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """A topic's settings as they hold, and those of them that are set on the topic itself."""
    answers: list[Any] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    entries = answers[0].resources[0][4]
    have = {entry[0]: entry[1] for entry in entries}
    return have, {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_THE_TOPIC}
