"""Bytes that a delivery takes in each topic and each table: `python -m tests.bench.sizes`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.log.writer import connect
from tests.bench.engines import Engine, engine
from tests.bench.ours import MACROS, Ours, bring_through, flow, ours
from tests.bench.sinks import Receiver, receiver
from tests.bench.stage import broker
from tests.kafka import Kafka

_EVENTS = 20_000
_ROLES = "join,outbound,log"
_TABLES = """\
SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts
WHERE active AND database = %(name)s GROUP BY table ORDER BY table"""


async def table_of(kafka: Kafka, sink: Receiver) -> str:
    """Bring events through all roles; the table for a document."""
    async with engine() as database, ours(kafka, flow(sink.link(MACROS)), **database.switches) as made:
        await made.start(_ROLES)
        await bring_through(made, sink, _EVENTS, _ROLES, 0)
        lines = ["| a delivery in | bytes |", "| --- | --- |"]
        lines += [
            f"| topic {name} | {size / _EVENTS:.0f} |" for name, size in _topics(made) if size >= _EVENTS
        ]
        lines += [f"| table {name} | {size / _EVENTS:.0f} |" for name, size in await _tables(database)]
    return "\n".join(lines)


def _topics(made: Ours) -> list[tuple[str, int]]:
    """The size of each topic's segments."""
    found = []
    for topic in made.settings.topics.all():
        logs = (made.kafka.folder / "data").glob(f"{topic.name}-[0-9]*/*.log")
        found.append((topic.name.removeprefix(made.settings.prefix)[1:], sum(map(_size, logs))))
    return found


def _size(file: Path) -> int:
    return file.stat().st_size


async def _tables(database: Engine) -> list[tuple[str, int]]:
    url = database.switches["clickhouse"]
    client = await connect(url)
    try:
        result = await client.query(_TABLES, parameters={"name": url.rpartition("/")[2]})
        return [(name, size) for name, size, rows in result.result_rows if rows >= _EVENTS]
    finally:
        await client.close()


def main() -> str:
    """The table."""
    with broker() as kafka, receiver() as sink:
        return asyncio.run(table_of(kafka, sink))


if __name__ == "__main__":
    print(main())
