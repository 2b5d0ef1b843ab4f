"""Write batches to ClickHouse: for as long as it takes, and each row once.

ClickHouse away means waiting, with backoff and a named reason; Kafka keeps the records. A batch that holds a
row which ClickHouse refuses is halved down to that row, strictly from left to right: the row is handed over
and acknowledged before anything behind it is stored. So at any moment, all up to the highest stored address
is either stored or rejected, and the next owner goes on behind it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver import options
from clickhouse_connect.driver.compression import get_compressor
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from app.kit.logs import logger
from app.kit.metrics import CLICKHOUSE_AWAY, LOG_REFUSED, LOG_ROWS
from app.log.batch import Batch, token_of
from app.log.columns import columns_of
from app.log.native import Unfit, native_block
from app.log.refusal import Away, Refused, backoff_s, shortened, told_of
from app.log.rows import BadRecord, Rows
from app.log.tables import Table
from app.messages.record import Address

# Where pandas is installed (chDB brings it) the first insert would import it and stop the loop for seconds.
options.pd = options.np = None

_Got = TypeVar("_Got")

_CONNECT_S = 5
_ANSWER_S = 60
_BLOCK_ROWS = 1024
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_INSERT = {
    "async_insert": 0,  # on by default since 26: an answer must mean that the rows are stored
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_partitions_per_insert_block": 0,  # a batch of old timestamps spans many months
}


class ClickHouseFault(Exception):
    """ClickHouse could not be asked, or refused; one line that says why."""


async def connect(url: str, *, use_database: bool = True, max_execution_s: float | None = None) -> Any:
    """A clickhouse-connect client for `http://user:password@host:8123/database`.

    `use_database=False` connects without the database, which need not exist yet. `max_execution_s` bounds
    every query. Raises `ClickHouseFault`.
    """
    parts = urlsplit(url)
    settings = {} if max_execution_s is None else {"max_execution_time": max_execution_s}
    try:
        return await clickhouse_connect.get_async_client(
            interface=parts.scheme,
            host=parts.hostname,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            database=database_of(url) if use_database else None,
            compress=parts.hostname not in _LOOPBACK,
            connect_timeout=_CONNECT_S,
            send_receive_timeout=_ANSWER_S,
            tz_mode="aware",
            settings=settings,
        )
    except (ClickHouseError, OSError) as error:
        raise ClickHouseFault(f"ClickHouse at {shown(url)}: {shortened(str(error))}") from error


def database_of(url: str) -> str:
    """The database that a ClickHouse URL names; `default` when it names none."""
    return unquote(urlsplit(url).path.strip("/")) or "default"


def shown(url: str) -> str:
    """The URL without user and password, for a message."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 8123}{parts.path}"


def classify(error: Exception) -> Refused | Away:
    """What a failed insert means: a row that is refused for good, or a ClickHouse that is to be waited for.

    Raises the error itself when it is neither, which is a mistake of ours.
    """
    if isinstance(error, Unfit):
        return Refused(shortened(str(error)))
    if isinstance(error, Error):
        return told_of(str(error), error.code)
    if isinstance(error, (ClickHouseFault, OSError, TimeoutError)):
        return Away(shortened(str(error)))
    raise error


class Writer:
    """The writer of one LOG: it connects when it is first needed, and again after a failure to."""

    def __init__(self, url: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._url = url
        self._sleep = sleep
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._waits: dict[object, str] = {}

    @property
    def waits_for(self) -> str | None:
        """What it waits for, None while it does not: a watchdog is not to take that for a stall."""
        return next(iter(self._waits.values()), None)

    async def insert(self, batch: Batch, reject: Callable[[BadRecord], Awaitable[None]]) -> None:
        """Store a batch; returns when every row of it is stored or rejected.

        `reject` is awaited for each value that is no row and each row that ClickHouse refuses, before
        anything behind it is stored: it returns once Kafka has it.
        """
        for bad in batch.bad:
            await reject(bad)
        parts = [(0, len(batch.rows))] if batch.rows else []
        while parts:
            first, beyond = parts.pop()
            refused = await self._stored(batch, batch.rows.part(first, beyond))
            if refused is None:
                LOG_ROWS.labels(batch.table.name).inc(beyond - first)
            elif beyond - first == 1:
                LOG_REFUSED.inc()
                await reject(batch.refused(first, f"ClickHouse refused it: {refused.reason}"))
            else:
                middle = (first + beyond) // 2
                parts += [(middle, beyond), (first, middle)]

    async def highest(self, table: Table, partition: int, since: int = 0) -> Address | None:
        """The highest stored address of a partition at or beyond offset `since`; None when there is none.

        `since` is the partition's committed offset: all before it is stored, and need not be looked through.
        """
        address = f"({table.offset}, {table.index or 'toUInt32(0)'})"
        sql = (
            f"SELECT {address} AS address FROM {table.name} "  # noqa: S608 - the names are our own
            f"WHERE {table.partition} = {{partition:UInt32}} AND {table.offset} >= {{since:Int64}} "
            "ORDER BY address DESC LIMIT 1"
        )

        async def ask() -> list[Address]:
            client = await self._connected()
            result = await client.query(sql, parameters={"partition": partition, "since": since})
            return [Address(partition, *address) for (address,) in result.result_rows]

        found = await self._patiently(ask, lambda told: Away(told.reason))
        return found[0] if isinstance(found, list) and found else None

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _stored(self, batch: Batch, rows: Rows) -> Refused | None:
        """Insert rows of a batch as one, under their own token; says why when one of them is refused."""
        settings = {**_INSERT, "insert_deduplication_token": token_of(batch.topic, rows)}

        async def ask() -> None:
            client = await self._connected()
            compression = client.write_compression
            blocks = [block async for block in _blocks(batch.table, rows, compression)]
            await client.raw_insert(
                batch.table.name, batch.table.columns, b"".join(blocks), settings, "Native", compression
            )

        return await self._patiently(ask, lambda told: told)

    async def _patiently(
        self, ask: Callable[[], Awaitable[_Got]], meaning: Callable[[Refused | Away], Refused | Away]
    ) -> _Got | Refused:
        """Ask until ClickHouse answers, or refuses what it was given for good."""
        me, tries = object(), 0
        try:
            while True:
                try:
                    return await ask()
                except Exception as error:  # classify raises again what is a mistake of ours
                    told = meaning(classify(error))
                if isinstance(told, Refused):
                    return told
                tries += 1
                await self._wait(me, told.reason, tries)
        finally:
            self._waits.pop(me, None)
            CLICKHOUSE_AWAY.set(1 if self._waits else 0)

    async def _wait(self, me: object, reason: str, tries: int) -> None:
        delay_s = backoff_s(tries, random.random())  # noqa: S311 - no secret
        self._waits[me] = f"ClickHouse at {shown(self._url)}: {reason}"
        CLICKHOUSE_AWAY.set(1)
        logger().warning("ClickHouse is waited for", reason=reason, delay_s=round(delay_s, 1), tries=tries)
        await self._sleep(delay_s)

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                self._client = await connect(self._url)
            return self._client


async def _blocks(table: Table, rows: Rows, compression: str | None) -> AsyncIterator[bytes]:
    """Rows as blocks, each so small that it holds up nobody on the loop; ClickHouse puts them together."""
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = native_block(table, columns_of(table, rows.part(first, first + _BLOCK_ROWS)))
        yield get_compressor(compression).compress_block(block)
        await asyncio.sleep(0)
