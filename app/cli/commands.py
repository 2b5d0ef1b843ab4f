"""The commands by name. Typer and rich are imported here; what a command needs, when it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn

import typer

from app.cli.flows import flows_app
from app.cli.schema import schema
from app.settings import Settings, SettingsFault, load

app = typer.Typer(
    name="postbacks",
    help="Lead events in, postbacks out, a row for everything.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
embedded_app = typer.Typer(help="Engines for one machine without Docker.", no_args_is_help=True)
app.add_typer(flows_app, name="flows")
app.add_typer(embedded_app, name="embedded")
app.command()(schema)


def run() -> None:
    """Run the command line; settings that cannot be used end with status 2."""
    try:
        app()
    except SettingsFault as fault:
        fail(str(fault), status=2)


def fail(text: str, status: int = 1) -> NoReturn:
    """Say one line on standard error and end."""
    print(f"postbacks: {text}", file=sys.stderr)
    sys.exit(status)


def run_async(work: Coroutine[Any, Any, Any], settings: Settings) -> Any:
    """Run what talks to Kafka; that Kafka is away is one line, not a traceback."""
    from aiokafka.errors import KafkaError

    try:
        return asyncio.run(work)
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka} (POSTBACKS_KAFKA): {type(error).__name__}: {error}")


@app.command()
def worker(
    role: Annotated[
        str, typer.Option(help="join, outbound, log, web (several with commas), or all.")
    ] = "all",
) -> None:
    """Run agents until SIGTERM or Ctrl-C.

    Example: POSTBACKS_KAFKA=kafka:9092 postbacks worker --role join,outbound
    """
    from app.main import ROLES

    roles = ROLES if role == "all" else tuple(part.strip() for part in role.split(","))
    if unknown := [name for name in roles if name not in ROLES]:
        fail(f"--role {unknown[0]!r} is unknown: choose from {', '.join(ROLES)} or all", status=2)
    _run_worker(load(), roles)


def _run_worker(settings: Settings, roles: tuple[str, ...]) -> NoReturn:
    import os

    from aiokafka.errors import KafkaError

    from app.kit.logs import configure
    from app.kit.secrets import Secrets
    from app.main import StartFault
    from app.main import run as run_worker
    from app.stream.migrate import TopicFault

    configure(settings.log_format, settings.log_level)
    secrets = Secrets(os.environ, settings.secrets_dir)
    try:
        run_worker(settings, roles, secrets)
    except (StartFault, TopicFault) as fault:
        fail(str(fault))
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka} (POSTBACKS_KAFKA): {type(error).__name__}: {error}")


@app.command()
def migrate() -> None:
    """Make topics and tables as this version needs them. May be run again at any time.

    Example: postbacks migrate
    """
    settings = load()
    done = run_async(_migrate(settings), settings)
    for line in done or ["nothing to do: topics and tables are as they should be"]:
        print(line)


async def _migrate(settings: Settings) -> list[str]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from app.log.migrate import migrate as migrate_tables
    from app.log.writer import ClickHouseFault, connect, database_of, shown
    from app.stream.migrate import TopicFault, migrate_topics

    try:
        done = await migrate_topics(settings)
        client = await connect(settings.clickhouse, use_database=False)
        try:
            database = database_of(settings.clickhouse)
            return done + await migrate_tables(client, database=database, log_ttl_days=settings.log_ttl_days)
        finally:
            await client.close()
    except (TopicFault, ClickHouseFault) as fault:
        fail(str(fault))
    except ClickHouseError as error:
        fail(f"ClickHouse at {shown(settings.clickhouse)}: {error}")


@embedded_app.command(
    "clickhouse",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def embedded_clickhouse(context: typer.Context) -> None:
    """Serve a ClickHouse engine on loopback, for one machine."""
    from app.embedded import clickhouse

    sys.exit(clickhouse.main(context.args))
