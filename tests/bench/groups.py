"""How far consumer groups are: what was produced and not yet committed."""

from __future__ import annotations

from types import TracebackType

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient


class Groups:
    """`async with Groups(kafka) as groups`: asks the broker at `kafka` (host:port)."""

    def __init__(self, kafka: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=kafka)

    async def __aenter__(self) -> Groups:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """The end offset of each partition."""
        asked = [TopicPartition(topic, p) for p in range(partitions)]
        return {tp.partition: end for tp, end in (await self._consumer.end_offsets(asked)).items()}

    async def lag(self, group: str, topic: str, partitions: int) -> int:
        """Records of the topic that the group has not committed."""
        ends = await self.ends(topic, partitions)
        committed = await self._admin.list_consumer_group_offsets(group)
        at = {tp.partition: known.offset for tp, known in committed.items() if tp.topic == topic}
        return sum(end - max(0, at.get(p, 0)) for p, end in ends.items())
