"""The watchdog: a process that stands still, with work waiting and nothing that it waits for, ends itself.

What waits is asked of Kafka by a client of its own, because the client that has stalled cannot tell. A role
that names what it waits for (an assignment, the flows, ClickHouse) is not looked at, and with Kafka away
nobody is. An event loop that does not turn any more is ended by `faulthandler`, with its stacks.
"""

from __future__ import annotations

import asyncio
import faulthandler
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app.kit.logs import logger
from app.kit.metrics import LAG, STANDING_S
from app.settings import Settings
from app.stream.kafka import new_reader
from app.stream.stall import Stalls, Standing
from app.topics import retries_prefix

_LOOKS = 6  # within one time-out
_FETCH_MS = 500
_TURNS = 2  # time-outs without a look after which the event loop counts as stuck


class Stalled(Exception):
    """A role stands still; the text says where and for how long."""


class Reading(Protocol):
    """One consumer of a role: what it holds, and how much it has finished of each partition."""

    finished: Counter[Any]

    def held(self) -> Mapping[Any, int]:
        """The partitions that it is to read now, with the offset up to which each is finished."""
        ...


class Watched(Protocol):
    """What the watchdog asks of a role."""

    name: str

    def reads(self) -> Sequence[Reading]:
        """Its consumers."""
        ...

    def waits_for(self) -> list[str]:
        """What it waits for, a line each."""
        ...


class Watchdog:
    """Looks at the roles of one process."""

    def __init__(self, settings: Settings, roles: Sequence[Watched]) -> None:
        self._settings = settings
        self._roles = roles
        self._between_s = settings.stall_timeout_s / _LOOKS
        self._stalls: Stalls[tuple[str, Any]] = Stalls(settings.stall_timeout_s)
        self._told: set[tuple[str, str]] = set()  # role and topic whose lag was told
        STANDING_S.set_function(lambda: self._stalls.longest_s(time.monotonic()))

    async def run(self) -> None:
        """Look until cancelled. Raises `Stalled`."""
        self._arm()
        try:
            while True:
                await self._watch()
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _watch(self) -> None:
        """Look for as long as Kafka answers."""
        reader = new_reader(self._settings)
        try:
            await asyncio.wait_for(reader.start(), self._between_s)
            while True:
                await self._look(reader)
                await self._rest()
        except (KafkaError, TimeoutError):
            self._stalls.look(time.monotonic(), {})  # Kafka is waited for
            await self._rest()
        finally:
            await reader.stop()

    def _arm(self) -> None:
        faulthandler.dump_traceback_later(_TURNS * self._settings.stall_timeout_s, exit=True)

    async def _rest(self) -> None:
        self._arm()
        await asyncio.sleep(self._between_s)

    async def _look(self, reader: AIOKafkaConsumer) -> None:
        all_standings = {
            (role.name, tp): standing
            for role in self._roles
            for reading in role.reads()
            for tp, standing in (await self._standings(reading, reader)).items()
        }
        self._tell_lag(all_standings)
        waiting = {role.name for role in self._roles if role.waits_for()}
        standings = {key: standing for key, standing in all_standings.items() if key[0] not in waiting}
        for name, tp in self._stalls.look(time.monotonic(), standings):
            standing = standings[name, tp]
            if not await asyncio.wait_for(_holds_records(reader, tp, standing.lag), self._between_s):
                self._stalls.forget((name, tp))
                continue
            logger().error(
                "stalled",
                role=name,
                topic=tp.topic,
                partition=tp.partition,
                lag=standing.lag,
                finished=standing.finished,
            )
            raise Stalled(
                f"{tp.topic}[{tp.partition}] made no progress for {self._settings.stall_timeout_s:g} s "
                f"(POSTBACKS_STALL_TIMEOUT) with {standing.lag} records waiting"
            )

    def _tell_lag(self, standings: Mapping[tuple[str, Any], Standing]) -> None:
        """The lag by role and topic, but for the tiers: what lies in those waits because it is to."""
        prefix, tiers = f"{self._settings.prefix}.", retries_prefix(self._settings.prefix)
        lag: Counter[tuple[str, str]] = Counter(dict.fromkeys(self._told, 0))
        for (role, tp), standing in standings.items():
            if not tp.topic.startswith(tiers):
                lag[role, tp.topic.removeprefix(prefix)] += standing.lag
        for (role, topic), records in lag.items():
            LAG.labels(role, topic).set(records)
        self._told = set(lag)

    async def _standings(self, reading: Reading, reader: AIOKafkaConsumer) -> Mapping[Any, Standing]:
        held = reading.held()
        if not held:
            return {}
        ends = await asyncio.wait_for(reader.end_offsets(list(held)), self._between_s)
        return {tp: Standing(reading.finished[tp], max(0, ends[tp] - done)) for tp, done in held.items()}


async def _holds_records(reader: AIOKafkaConsumer, tp: Any, lag: int) -> bool:
    """Whether the last `lag` offsets of a partition hold a record: those of expired records and of the marks
    of transactions do not, and a consumer never comes beyond them."""
    partition = TopicPartition(*tp)
    reader.assign([partition])
    end = (await reader.end_offsets([partition]))[partition]
    reader.seek(partition, end - lag)
    while await reader.position(partition) < end:
        if await reader.getmany(partition, timeout_ms=_FETCH_MS):
            return True
    return False
