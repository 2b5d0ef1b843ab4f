"""One postback from its operators' side: parked, released, its requests discarded.

A release lets kept requests go, oldest first, at a rate, each marked with the state that it was let go from.
OUTBOUND sends them though the postback is parked still, keeps fresh ones behind them, and takes each out of
`postback-parked` when it was handled or put off; so what is left there is what is left to do, and a release
that was stopped at any point is run again. A request that it had let go and that no worker had taken yet goes
a second time then, and OUTBOUND's memory of attempts drops it.

When nothing is left the state turns active. A worker sees that within a second; what it kept until then is
let go behind it. A request that comes in that second may pass one of its lead (`lead_seq` shows it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import msgspec
from aiokafka import TopicPartition

from app.kit.clock import now_ms
from app.kit.pace import Pace
from app.kit.points import reach
from app.messages.record import Address, LogRecord
from app.messages.request import Request
from app.messages.state import PostbackState, key_of
from app.outbound.kept import Kept, Place, Shelf, release_order
from app.outbound.parked import known_state
from app.outbound.parking import KnownState
from app.settings import Settings
from app.stream.kafka import new_producer, new_reader, read_to
from app.stream.outbox import Outbox
from app.stream.whole import WholeTable

LOOK_S = 1.0
LOOKS = 2  # in a row that find nothing, after the state turned: a worker has seen it within a second
_ROUND_S = 5.0
_MOST_UNTAKEN = 1_000
_CHUNK = 500

Rewrite = Callable[[Sequence[Kept]], Awaitable[Sequence[Request | None]]]
"""The requests that are sent for kept ones; None for one that stays."""
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a release is: let go so far, of those not taken by a worker yet, kept in all."""

    released: int
    untaken: int
    kept: int


@dataclass(frozen=True, slots=True)
class Released:
    """How a release ended: how many were let go, how many stay, and the state that stopped it, if one did."""

    released: int
    stay: int
    parked_anew: PostbackState | None = None


class ParkedPostback:
    """A postback's state and what it keeps, as they are in Kafka; `async with` it."""

    def __init__(self, settings: Settings, flow_id: str, postback_id: str) -> None:
        self._settings = settings
        self._key = key_of(flow_id, postback_id)
        self._states_topic = settings.topics.postback_states.name
        self._states: WholeTable[KnownState] = WholeTable(settings, self._states_topic, known_state)
        self._written: KnownState | None = None
        self._producer = new_producer(settings)
        self._reader = new_reader(settings)
        topic = settings.topics.parked
        self._partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        self.requests = Outbox(self._producer, settings.topics.requests.name)
        self.log = Outbox(self._producer, settings.topics.log.name)
        self.shelf = Shelf((flow_id, postback_id))

    async def __aenter__(self) -> ParkedPostback:
        self._following = asyncio.create_task(self._states.follow())
        try:
            await self._producer.start()
            await self._reader.start()
            self._reader.assign(self._partitions)
            await self._reader.seek_to_beginning(*self._partitions)
            await self.catch_up()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._reader.stop()
        await self._producer.stop()

    @property
    def state(self) -> KnownState | None:
        """Its newest state; None when it never had one."""
        read = self._states.get(self._key)
        if self._written is not None and (read is None or read.offset < self._written.offset):
            return self._written
        return read

    @property
    def is_parked(self) -> bool:
        """Whether its requests are kept now."""
        return self.state is not None and self.state.state.state == "parked"

    async def catch_up(self) -> None:
        """Read the states and what is kept as they are now. Raises `KafkaError`."""
        ready = asyncio.create_task(self._states.ready.wait())
        await asyncio.wait((ready, self._following), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._following.done():
            self._following.result()
        ends = await self._reader.end_offsets(self._partitions)
        async for tp, records in read_to(self._reader, ends):
            for record in records:
                self.shelf.apply(tp.partition, record.offset, record.key or b"", record.value)

    async def write_state(self, state: Literal["active", "parked"], why: str, by: str) -> None:
        """Turn its state; returns when Kafka has it, workers follow within a second."""
        turned = PostbackState(state, why, now_ms(), by)
        sent = await self._producer.send(
            self._states_topic, _encoder.encode(turned), key=self._key.encode(), partition=0
        )
        self._written = KnownState(turned, (await sent).offset)

    async def take_out(self, kept: Sequence[Kept]) -> None:
        """Take requests out of `postback-parked`."""
        topic = self._settings.topics.parked.name
        acks = [await self._producer.send(topic, None, key=k.key, partition=k.partition) for k in kept]
        await asyncio.gather(*acks)


class _ParkedAnew(Exception):
    def __init__(self, state: PostbackState) -> None:
        super().__init__(state.why)
        self.state = state


class Release:
    """One run of a release over `parked`; `tell` is called now and then with how far it is."""

    def __init__(
        self,
        parked: ParkedPostback,
        *,
        rate_per_s: float,
        by: str,
        rewrite: Rewrite,
        tell: Callable[[Progress], None],
    ) -> None:
        self._parked = parked
        self._rate_per_s = rate_per_s
        self._by = by
        self._rewrite = rewrite
        self._tell = tell
        self._from = parked.state.offset if parked.state is not None else 0
        self._let_go: dict[Place, int] = {}  # → offset of the kept record
        self._stay: set[Place] = set()
        self._released = 0
        self._pace = Pace(rate_per_s)

    async def run(self) -> Released:
        """Release all that is kept and turn the state active. Raises `KafkaError`; may be run again."""
        looks = 0
        try:
            while looks < LOOKS:
                moved = await self._release_all()
                if self._parked.is_parked:
                    reach("release: none left")
                    await self._parked.write_state("active", "released", self._by)
                    assert self._parked.state is not None
                    self._from = self._parked.state.offset
                    reach("release: state written")
                    looks = 0
                else:
                    looks = 0 if moved else looks + 1
                await asyncio.sleep(LOOK_S)
        except _ParkedAnew as anew:
            await self._parked.catch_up()
            return Released(self._released, len(self._parked.shelf.kept), anew.state)
        return Released(self._released, len(self._stay))

    async def _release_all(self) -> bool:
        """Let go what is kept until nothing is left but what stays; whether anything was."""
        moved = False
        while True:
            await self._parked.catch_up()
            self._refuse_anew()
            left = [one for one in self._parked.shelf.kept.values() if one.place not in self._stay]
            fresh = [one for one in left if self._let_go.get(one.place) != one.offset]
            untaken = len(left) - len(fresh)
            self._tell(Progress(self._released, untaken, len(self._parked.shelf.kept)))
            if not left:
                return moved
            most = min(max(1, round(self._rate_per_s * _ROUND_S)), _MOST_UNTAKEN - untaken)
            if fresh and most > 0:
                await self._round(release_order(fresh)[:most])
                moved = True
            else:
                await asyncio.sleep(LOOK_S / 2)

    async def _round(self, kept: Sequence[Kept]) -> None:
        acks = []
        for one, request in zip(kept, await self._rewrite(kept), strict=True):
            if request is None:
                self._stay.add(one.place)
                continue
            await self._pace.turn()
            self._refuse_anew()
            value = msgspec.structs.replace(request, due_at=now_ms(), released=self._from)
            acks.append(
                self._parked.requests.add(one.partition, one.lead_id.encode(), _encoder.encode(value))
            )
            self._let_go[one.place] = one.offset
            self._released += 1
        await asyncio.gather(*acks)
        reach("release: let go")

    def _refuse_anew(self) -> None:
        state = self._parked.state
        if state is None or state.offset <= self._from:
            return
        if state.state.state == "parked":
            raise _ParkedAnew(state.state)
        self._from = state.offset


async def discard(
    parked: ParkedPostback, kept: Sequence[Kept], row: Callable[[Request, Address], LogRecord]
) -> None:
    """Throw kept requests away, each with its row first. Raises `KafkaError`; may be run again."""
    for at in range(0, len(kept), _CHUNK):
        chunk = kept[at : at + _CHUNK]
        acks = []
        for one in chunk:
            record = row(one.request, Address(one.partition, one.offset))
            acks.append(parked.log.add(one.partition, one.lead_id.encode(), _encoder.encode(record)))
        await asyncio.gather(*acks)
        reach("discard: rows written")
        await parked.take_out(chunk)
