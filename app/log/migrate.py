"""Make the tables of ClickHouse as they should be: the numbered SQL files, each once and in order.

Statements say IF NOT EXISTS, so a file that was interrupted is run again whole. What may change later is the
retention: a table whose TTL is of another number of days gets the setting's. Files are only ever added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

_DAYS = "{log_ttl_days}"
_TTL = re.compile(r" TTL (?P<rule>.*?)(?: SETTINGS |$)")
_INTERVAL = re.compile(r"toIntervalDay\((\d+)\)")
_APPLIED = """
    CREATE TABLE IF NOT EXISTS migrations
    (name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
    ENGINE = ReplacingMergeTree ORDER BY name
"""


@dataclass(frozen=True)
class Migration:
    """One numbered file: its name without `.sql`, its statements."""

    name: str
    statements: tuple[str, ...]


def migrations(log_ttl_days: int) -> list[Migration]:
    """The numbered files in order, the days of retention filled in."""
    folder = resources.files("app.log") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [
        Migration(f.name.removesuffix(".sql"), statements_of(f.read_text(encoding="utf-8"), log_ttl_days))
        for f in files
    ]


def statements_of(text: str, log_ttl_days: int) -> tuple[str, ...]:
    """The statements of a file: without comment lines, split where a line ends with `;`."""
    sql = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    parts = re.split(r";[ \t]*(?:\n|$)", sql.replace(_DAYS, str(log_ttl_days)))
    return tuple(part.strip() for part in parts if part.strip())


async def migrate(client: Any, *, database: str, log_ttl_days: int) -> list[str]:
    """Create the database and its tables, apply what is new, set the retention.

    `client` is connected without a database (`writer.connect(url, use_database=False)`) and uses `database`
    afterwards. Returns what was done, a line each; empty when all was as it should be. Raises
    clickhouse-connect's errors.
    """
    await client.command(f"CREATE DATABASE IF NOT EXISTS {_quoted(database)}", use_database=False)
    client.database = database
    await client.command(_APPLIED)
    applied = {name for (name,) in (await client.query("SELECT name FROM migrations")).result_rows}
    done = []
    for migration in migrations(log_ttl_days):
        if migration.name not in applied:
            for statement in migration.statements:
                await client.command(statement)
            await client.command(
                "INSERT INTO migrations (name) SELECT {name:String}", parameters={"name": migration.name}
            )
            done.append(f"tables of {migration.name} made")
    return done + await _set_retention(client, log_ttl_days)


async def _set_retention(client: Any, log_ttl_days: int) -> list[str]:
    """Change each TTL that is of another number of days."""
    done = []
    for name, rule in (await differing_retention(client, log_ttl_days)).items():
        set_to = _INTERVAL.sub(f"toIntervalDay({log_ttl_days})", rule)
        await client.command(f"ALTER TABLE {_quoted(name)} MODIFY TTL {set_to}")
        done.append(f"table {name} keeps its rows {log_ttl_days} days")
    return done


async def differing_retention(client: Any, log_ttl_days: int) -> dict[str, str]:
    """The tables of the client's database whose TTL is of another number of days, with its rule."""
    found = await client.query(
        "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    )
    ttls = {name: ttl["rule"] for name, engine in found.result_rows if (ttl := _TTL.search(engine))}
    return {
        name: rule for name, rule in ttls.items() if _INTERVAL.findall(rule) not in ([], [str(log_ttl_days)])
    }


async def missing(client: Any, log_ttl_days: int = 1) -> list[str]:
    """The numbered files that the client's database has not had yet, all of them when it is new."""
    exists = await client.query("EXISTS TABLE migrations")
    names = [migration.name for migration in migrations(log_ttl_days)]
    if not exists.result_rows[0][0]:
        return names
    applied = {name for (name,) in (await client.query("SELECT name FROM migrations")).result_rows}
    return [name for name in names if name not in applied]


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
