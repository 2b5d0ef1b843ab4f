"""Write requests that have to wait into the tier of their next hop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.outbound.schedule import Ladder
from app.stream.outbox import Outbox
from app.topics import Topics

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer


class Tiers:
    """The retry topics, by the wait that is left."""

    def __init__(self, producer: AIOKafkaProducer, topics: Topics) -> None:
        self.ladder = Ladder(topics.retries)
        self._outboxes = {tier: Outbox(producer, tier.topic.name) for tier in topics.retries}

    def add(self, partition: int, key: bytes, value: bytes, remaining_ms: int) -> asyncio.Future[None]:
        """Queue one encoded request, due in `remaining_ms`; as `Outbox.add`."""
        return self._outboxes[self.ladder.tier_for(remaining_ms)].add(partition, key, value)
