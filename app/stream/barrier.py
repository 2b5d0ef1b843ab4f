"""Wait until a role is done with all that a partition holds now: a barrier across Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from aiokafka import TopicPartition

from app.settings import Settings
from app.stream.kafka import new_admin, new_reader

_LOOK_S = 0.3
_PATIENCE_S = 60.0


class Stands(Exception):
    """A role did nothing for a while though something waits for it; the text says which and for what."""


async def done_by(
    settings: Settings, role: str, topic: str, partitions: Collection[int], tell: Callable[[str], None]
) -> None:
    """Return once the role has committed all that these partitions of `topic` hold now.

    `tell` is called with what is waited for. Raises `Stands` after 60 s without progress, and `KafkaError`.
    """
    tps = [TopicPartition(topic, number) for number in partitions]
    reader, admin = new_reader(settings), new_admin(settings)
    try:
        await reader.start()
        await admin.start()
        ends, begins = await reader.end_offsets(tps), await reader.beginning_offsets(tps)
        progress, told = -1, False
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            kept = await admin.list_consumer_group_offsets(f"{settings.prefix}-{role}", partitions=tps)
            at = {tp: max(begins[tp], kept[tp].offset if tp in kept else 0) for tp in tps}
            left = sum(max(0, ends[tp] - at[tp]) for tp in tps)
            if not left:
                return
            if left != progress:
                progress, since = left, loop.time()
            elif loop.time() - since > _PATIENCE_S:
                raise Stands(
                    f"role {role} has {left} records of {topic} to do and does nothing: is it running?"
                )
            if not told:
                tell(f"waiting for role {role}: {left} records of {topic}")
                told = True
            await asyncio.sleep(_LOOK_S)
    finally:
        await reader.stop()
        await admin.close()
