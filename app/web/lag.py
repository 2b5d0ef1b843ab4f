"""How many records wait for each role: the ends of what it reads, less what its group has committed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from app.doctor.check_workers import ROLES, read_by
from app.settings import Settings
from app.stream.kafka import new_admin, new_reader

_KEPT_S = 5.0
_ANSWER_S = 3.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Records that wait, by role; or why they cannot be counted."""

    records: dict[str, int]
    fault: str = ""


class Lags:
    """Asks Kafka for the lag, at most every five seconds, whoever looks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking = asyncio.Lock()
        self._asked_s = float("-inf")
        self._lag = Lag({})

    async def __call__(self) -> Lag:
        """The lag of each role."""
        async with self._asking:
            now_s = asyncio.get_running_loop().time()
            if now_s - self._asked_s > _KEPT_S:
                self._lag, self._asked_s = await self._ask(), now_s
            return self._lag

    async def _ask(self) -> Lag:
        try:
            async with asyncio.timeout(_ANSWER_S):
                return Lag(await lag(self._settings))
        except TimeoutError:
            return Lag({}, f"Kafka did not answer within {_ANSWER_S:g} s")
        except (KafkaError, OSError) as error:
            return Lag({}, str(error) or type(error).__name__)


async def lag(settings: Settings) -> dict[str, int]:
    """The records that wait for each role now. Raises `KafkaError`."""
    partitions = {topic.name: topic.partitions for topic in settings.topics.all()}
    reads = {
        role: [TopicPartition(name, at) for name in read_by(role, settings) for at in range(partitions[name])]
        for role in ROLES
    }
    reader, admin = new_reader(settings), new_admin(settings)
    try:
        await reader.start()
        await admin.start()
        wanted = sorted({tp for tps in reads.values() for tp in tps})
        ends, begins = await reader.end_offsets(wanted), await reader.beginning_offsets(wanted)
        found = {}
        for role, tps in reads.items():
            kept = await admin.list_consumer_group_offsets(f"{settings.prefix}-{role}", partitions=tps)
            at = {tp: kept[tp].offset if tp in kept else -1 for tp in tps}
            found[role] = sum(ends[tp] - max(at[tp], begins[tp]) for tp in tps)
        return found
    finally:
        await reader.stop()
        await admin.close()
