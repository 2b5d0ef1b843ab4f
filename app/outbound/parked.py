"""The postbacks' states as a worker follows and writes them, and the requests that parked ones keep.

A state is in force here as soon as its record is acknowledged, elsewhere within a second. Only OUTBOUND takes
a request out of `postback-parked` that was sent: whoever releases it could not tell a request that was taken
from one that has come back in the meantime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from app.kit.clock import now_ms
from app.kit.logs import logger
from app.kit.metrics import PARKED_OLDEST_S, PARKED_POSTBACKS
from app.kit.points import reach
from app.messages.envelope import UNREADABLE
from app.messages.request import Request
from app.messages.state import Postback, PostbackState, decode_state, key_of, parked_key
from app.outbound.answers import Answer, Failure
from app.outbound.parking import KnownState, Refusals, parked_in, postback_of, why_kept
from app.outbound.verdict import Meaning
from app.settings import Settings
from app.stream.whole import WholeTable

_encoder = msgspec.json.Encoder()


def known_state(key: str, value: bytes, offset: int) -> KnownState | None:
    """A state from Kafka; one that cannot be read is named and the last good one stays."""
    try:
        return KnownState(decode_state(value), offset)
    except UNREADABLE as error:
        logger().error("postback state cannot be read: the last good one stays", key=key, fault=str(error))
        return None


class Parking:
    """One worker's view of what is parked; `follow` keeps it, `ready` says that it is complete."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._states_topic = settings.topics.postback_states.name
        self._parked_topic = settings.topics.parked.name
        self._worker = settings.worker
        self._table: WholeTable[KnownState] = WholeTable(settings, self._states_topic, known_state)
        self._written: dict[str, KnownState] = {}  # by this worker; the table has not read it yet
        self._writing: dict[str, asyncio.Lock] = {}
        self._refusals = Refusals()
        self.ready = self._table.ready
        PARKED_POSTBACKS.set_function(lambda: len(self.parked()))
        PARKED_OLDEST_S.set_function(self._oldest_s)

    def follow(self) -> Coroutine[Any, Any, None]:
        """Read the states until cancelled."""
        return self._table.follow()

    def why_kept(self, request: Request) -> str | None:
        """Why the request is kept and not sent, None when it is sent."""
        return why_kept(request, self._known(key_of(*postback_of(request))))

    def why_parked(self, request: Request, verdict: Meaning, outcome: Answer | Failure) -> str | None:
        """Count what came of a request; why its postback is to be parked, None when it is not."""
        known = self._known(key_of(*postback_of(request))) if verdict == "auth" else None
        parked = known is not None and known.state.state == "parked"
        return self._refusals.why_parked(postback_of(request), verdict, outcome, parked=parked)

    def parked(self) -> dict[Postback, PostbackState]:
        """The states of the postbacks that are parked, whoever parked them."""
        known = {key: self._known(key) for key in {*self._table, *self._written}}
        return parked_in({key: one for key, one in known.items() if one is not None})

    async def park(self, request: Request, why: str) -> None:
        """Park the request's postback, unless it is; returns when Kafka has the state."""
        flow_id, postback_id = postback_of(request)
        key = key_of(flow_id, postback_id)
        async with self._writing.setdefault(key, asyncio.Lock()):
            if self.why_kept(request) is not None:
                return
            state = PostbackState("parked", why, now_ms(), self._worker)
            sent = await self._producer.send(
                self._states_topic, _encoder.encode(state), key=key.encode(), partition=0
            )
            self._written[key] = KnownState(state, (await sent).offset)
        reach("outbound: state written")
        logger().warning("postback parked", flow=flow_id, postback=postback_id, why=why)

    async def keep(self, partition: int, request: Request) -> None:
        """Write a request to `postback-parked`; returns when Kafka has it."""
        kept = msgspec.structs.replace(request, released=-1)
        await self._write(partition, request, _encoder.encode(kept))
        reach("outbound: parked kept")

    async def take_out(self, partition: int, request: Request) -> None:
        """Take a released request that was handled out of `postback-parked`."""
        await self._write(partition, request, None)
        reach("outbound: released taken out")

    async def _write(self, partition: int, request: Request, value: bytes | None) -> None:
        sent = await self._producer.send(
            self._parked_topic, value, key=parked_key(request), partition=partition
        )
        await sent

    def _known(self, key: str) -> KnownState | None:
        written = self._written.get(key)
        if written is not None and written.offset > self._table.offset:
            return written
        return self._table.get(key)

    def _oldest_s(self) -> float:
        """For how long the longest parked postback has been."""
        since = [state.since for state in self.parked().values()]
        return max(0.0, (now_ms() - min(since)) / 1000) if since else 0.0
