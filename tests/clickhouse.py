"""A running ClickHouse for the tests: the embedded one, as a child process, a fresh database for each test.

The process is started once for all tests that ask and ends with them (`--with-parent`).
"""

from __future__ import annotations

import atexit
import functools
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Database:
    """A fresh database: its name, its URL as a setting has it, and a client connected to it."""

    name: str
    url: str
    client: Any

    async def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a query answers."""
        result = await self.client.query(sql, parameters=parameters)
        return [tuple(row) for row in result.result_rows]

    async def value(self, sql: str, **parameters: Any) -> Any:
        """The first field of the first row."""
        return (await self.rows(sql, **parameters))[0][0]


def start_clickhouse(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start an embedded ClickHouse; returns the process and its address once it listens."""
    command = [sys.executable, "-m", "app.embedded.clickhouse", "--with-parent", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listens on" in line, f"the embedded ClickHouse did not start: {line!r}, {process.wait()}"
    return process, line.split("listens on ")[1].split()[0]


def stop_clickhouse(process: subprocess.Popen[str]) -> int:
    """End it in order; returns its exit status."""
    process.terminate()
    process.communicate(timeout=30)
    return process.returncode


@functools.cache
def _shared() -> str:
    process, address = start_clickhouse()
    atexit.register(stop_clickhouse, process)
    return address


@pytest.fixture(scope="session")
def clickhouse_address() -> str:
    """The address of a running embedded ClickHouse, `http://127.0.0.1:PORT`."""
    pytest.importorskip("chdb", reason="the embedded ClickHouse needs the extra `embedded`")
    return _shared()


@pytest.fixture
async def clickhouse_url(clickhouse_address: str) -> AsyncIterator[str]:
    """The URL of a database that does not exist yet and is dropped after the test."""
    from clickhouse_connect import get_async_client

    name = f"test_{uuid.uuid4().hex[:12]}"
    yield f"{clickhouse_address.replace('://', '://default:@')}/{name}"
    async with await get_async_client(dsn=clickhouse_address, autogenerate_session_id=False) as client:
        await client.command(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
async def clickhouse(clickhouse_url: str) -> AsyncIterator[Database]:
    """A migrated database and a client."""
    from app.log.migrate import migrate
    from app.log.writer import connect

    name = clickhouse_url.rsplit("/", 1)[1]
    client = await connect(clickhouse_url, use_database=False)
    try:
        await migrate(client, database=name, log_ttl_days=90)
        yield Database(name, clickhouse_url, client)
    finally:
        await client.close()
