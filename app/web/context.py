"""What every handler of the web role works with: one value, found by `web_of(request)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from app.kit.clock import now_ms
from app.kit.secrets import Secrets
from app.log.writer import connect
from app.outbound.parked import known_state
from app.outbound.parking import KnownState
from app.settings import Settings
from app.stream.whole import WholeTable
from app.web.inbound import Inbound
from app.web.limiter import Limiter
from app.web.running import Running
from app.web.who import NOBODY, Asker, Ended, Tokens

_PATIENCE_S = 10.0
_LOOK_S = 0.02
MAX_EXECUTION_S = 5.0
"""How long ClickHouse may work on one question of a page or of the API."""


class StoredFlow(NamedTuple):
    """A flow config as it was written, and its version: its record's offset in `flow-configs`."""

    config: bytes
    version: int


class ClickHouse:
    """A client of ClickHouse, connected when it is first asked for: `client = await web.clickhouse()`.

    A question may take `MAX_EXECUTION_S` unless it says otherwise.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def __call__(self) -> Any:
        """The client, for the functions of `app.queries`. Raises `ClickHouseFault`."""
        async with self._connecting:
            if self._client is None:
                self._client = await connect(self._url, max_execution_s=MAX_EXECUTION_S)
            return self._client

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


@dataclass
class Web:
    """The web role: it keeps no state but two whole tables, which `jobs` follow, and tasks that run on.

    `flows` has each flow config by its id, `states` each postback's state by `app.messages.state.key_of`;
    flows are saved one at a time, under `saving`; `releases` are those that run here and the last one of each
    postback, by the same keys.
    """

    settings: Settings
    tokens: Tokens
    producer: AIOKafkaProducer
    secrets: Secrets
    inbound: Inbound = field(default_factory=Inbound)
    now_ms: Callable[[], int] = now_ms
    limiter: Limiter = field(default_factory=Limiter)
    ended: Ended = field(default_factory=Ended)

    def __post_init__(self) -> None:
        topics = self.settings.topics
        self.clickhouse = ClickHouse(self.settings.clickhouse)
        self.flows: WholeTable[StoredFlow] = WholeTable(
            self.settings, topics.flow_configs.name, lambda _, value, offset: StoredFlow(value, offset)
        )
        self.states: WholeTable[KnownState] = WholeTable(
            self.settings, topics.postback_states.name, known_state
        )
        self.saving = asyncio.Lock()
        self.replaying = asyncio.Lock()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.releases: dict[str, Running] = {}

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What runs for ever: the tables are followed."""
        return [self.flows.follow(), self.states.follow()]

    def waits_for(self) -> list[str]:
        """What is missing until it is ready, a line each."""
        tables = {"the flows": self.flows.ready, "the states": self.states.ready}
        return [f"web: {name}" for name, ready in tables.items() if not ready.is_set()]

    def go_on_with(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something that outlives its request; the end of the process cancels it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def write(self, topic: str, key: str, value: bytes | None, table: WholeTable[Any]) -> int:
        """Write a record of a whole table, None deletes; its offset, once Kafka and `table` have it.

        So the next look at the table sees it. Raises `KafkaError`.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                sent = await self.producer.send(topic, value, key=key.encode(), partition=0)
                await asyncio.wait((sent,))
                offset: int = sent.result().offset
                while table.offset < offset:  # noqa: ASYNC110 - the table tells nobody
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise KafkaTimeoutError("it does not answer") from None
        return offset

    async def close(self) -> None:
        """Give up what still runs."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.clickhouse.close()


WEB: web.AppKey[Web] = web.AppKey("web", Web)
ASKER: web.RequestKey[Asker] = web.RequestKey("asker", Asker)


def web_of(request: web.Request) -> Web:
    """The web role that serves a request."""
    return request.app[WEB]


def asker_in(request: web.Request) -> Asker:
    """Who asks; the gate has found it out before any handler runs."""
    asker: Asker = request.get(ASKER, NOBODY)
    return asker
