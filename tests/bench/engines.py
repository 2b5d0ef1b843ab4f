"""ClickHouse for the benches: the embedded engine as a process of its own, a migrated database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.log.migrate import migrate
from app.log.writer import connect
from tests.clickhouse import start_clickhouse, stop_clickhouse


@dataclass(frozen=True)
class Engine:
    """Its process, and what a worker must be told of it; nothing where no role needs one."""

    pids: tuple[int, ...] = ()
    switches: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def engine() -> AsyncIterator[Engine]:
    """Start one with a fresh database."""
    process, address = await asyncio.to_thread(start_clickhouse)
    try:
        name = f"bench_{secrets.token_hex(4)}"
        url = f"{address.replace('://', '://default:@')}/{name}"
        client = await connect(url, use_database=False)
        await migrate(client, database=name, log_ttl_days=90)
        await client.close()
        yield Engine((process.pid,), {"clickhouse": url})
    finally:
        stop_clickhouse(process)
