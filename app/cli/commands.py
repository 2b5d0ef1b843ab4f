"""The commands by name. Typer is imported here; what a command needs, when it runs."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from textwrap import fill
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from app.cli.backfill import backfill
from app.cli.clickhouse import clickhouse_failures_told
from app.cli.demo import demo
from app.cli.dev import dev
from app.cli.doctor import doctor
from app.cli.ending import fail, kafka_told, reach_kafka, run_async, settings_told
from app.cli.flags import FLAGS, OPEN_FLAGS, environment_of, parameters
from app.cli.flows import flows_app
from app.cli.imports import import_links
from app.cli.leads import leads_app
from app.cli.logs import logs_app
from app.cli.parking import discard, park, release
from app.cli.presets import presets_app
from app.cli.printing import JsonOption, print_json
from app.cli.reconcile import reconcile
from app.cli.replay import replay
from app.cli.schema import schema
from app.cli.simulate import simulate
from app.cli.stats import stats
from app.cli.testsend import send_for_test
from app.settings import Settings, SettingsFault, doubts, environment, load

_EPILOG = f"""\
Example: postbacks preview --template 'https://track.er/pb?c={{click}}' --set click.id=c-9

\b
Settings are read from flags before the command (postbacks --kafka host:9092 worker),
from the environment (POSTBACKS_KAFKA) and from .env; README.md tells what they do:
{fill(" ".join(OPEN_FLAGS), 76, break_on_hyphens=False)}
"""
app = typer.Typer(
    name="postbacks",
    help="Lead events in, postbacks out, a row for everything.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
embedded_app = typer.Typer(
    help="Engines for one machine without Docker.",
    epilog="Example: postbacks embedded clickhouse --port 8123",
    no_args_is_help=True,
)
app.add_typer(flows_app, name="flows")
app.add_typer(leads_app, name="leads")
app.add_typer(logs_app, name="logs")
app.add_typer(presets_app, name="presets")
app.add_typer(embedded_app, name="embedded")
_INTERRUPTED = 130  # typer's word for Ctrl-C; ours is 1: it was not done
_ITS_OWN_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def run() -> NoReturn:
    """Run the command line; wrong use and settings that cannot be used end with status 2."""
    try:
        status = app(standalone_mode=False)
    except SettingsFault as fault:
        fail(str(fault), status=2)
    except TyperException as error:
        _fail_of_use(error)
    except Abort:
        status = 1
    sys.exit(1 if status == _INTERRUPTED else status)


def _fail_of_use(error: TyperException) -> NoReturn:
    text, context = error.format_message(), getattr(error, "ctx", None)
    if text.startswith("Usage:"):  # a group without a command: its help
        print(text, file=sys.stderr)
        sys.exit(2)
    path = context.command_path if context else "postbacks"
    option = getattr(error, "option_name", "")
    if option in FLAGS and path != "postbacks":
        fail(f"{option} is a setting: it stands before the command, postbacks {option} …", status=2)
    end = "" if text.endswith(("?", ".")) else "."
    fail(f"{text[:1].lower()}{text[1:]}{end} See {path} --help", status=2)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"postbacks {version('postbacks')}")
        raise typer.Exit


@app.callback()
def settings_before_the_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    **given: str | None,
) -> None:
    """Put what was given as flags into the environment, above what is there."""
    os.environ |= environment_of(given)


_read = inspect.signature(settings_before_the_command, eval_str=True)
settings_before_the_command.__signature__ = _read.replace(  # type: ignore[attr-defined]
    parameters=[_read.parameters["version"], *parameters()]
)


@app.command()
def worker(
    role: Annotated[
        str,
        typer.Option(
            help="join, outbound, log, web (several with commas), or all.",
            autocompletion=lambda: ["all", "join", "log", "outbound", "web"],
        ),
    ] = "all",
) -> None:
    """Run agents until SIGTERM or Ctrl-C.

    Example: POSTBACKS_KAFKA=kafka:9092 postbacks worker --role join,outbound
    """
    from app.main import ROLES
    from app.web.inbound import read_inbound

    asked = [part.strip() for part in role.split(",")]
    if unknown := [name for name in asked if name not in (*ROLES, "all")]:
        fail(f"--role {unknown[0]!r} is unknown: choose from {', '.join(ROLES)} or all", status=2)
    settings = load()
    read_inbound(settings.inbound)  # before anything that may be away
    reach_kafka(settings)
    _run_worker(settings, ROLES if "all" in asked else tuple(asked))


def _run_worker(settings: Settings, roles: tuple[str, ...]) -> NoReturn:
    from aiokafka.errors import KafkaError

    from app.kit.logs import configure, logger
    from app.kit.process import StartFault
    from app.kit.secrets import Secrets
    from app.main import run as run_roles
    from app.stream.migrate import TopicFault

    configure(settings.log_format, settings.log_level)
    environ = environment()
    for doubt in doubts(environ):
        logger().warning(doubt)
    if settings.flows_dir:
        logger().warning("POSTBACKS_FLOWS_DIR is watched by postbacks dev alone, not by a worker")
    try:
        run_roles(settings, roles, Secrets(environ, settings.secrets_dir))
    except (StartFault, TopicFault) as fault:
        fail(str(fault))
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka} (POSTBACKS_KAFKA): {kafka_told(error)}")


@app.command()
def migrate(as_json: JsonOption = False) -> None:
    """Make topics and tables as this version needs them. May be run again at any time.

    Example: postbacks migrate
    """
    settings = settings_told()
    with clickhouse_failures_told(settings.clickhouse):
        done = run_async(settings, lambda settings: _migrate(settings, as_json))
    if not done and not as_json:
        print("nothing to do: topics and tables are as they should be")


async def _migrate(settings: Settings, as_json: bool) -> int:
    """Make topics, then tables, and print each thing done; the number of things done."""
    from app.log.migrate import migrate as migrate_tables
    from app.log.writer import connect, database_of
    from app.stream.migrate import migrate_topics

    topics = await migrate_topics(settings)
    _print_done(topics, as_json)  # they stay made when ClickHouse is away
    client = await connect(settings.clickhouse, use_database=False)
    try:
        tables = await migrate_tables(
            client, database=database_of(settings.clickhouse), log_ttl_days=settings.log_ttl_days
        )
    finally:
        await client.close()
    _print_done(tables, as_json)
    return len(topics) + len(tables)


def _print_done(lines: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"done": line} for line in lines)
    else:
        print("".join(f"{line}\n" for line in lines), end="", flush=True)


@app.command("preview", add_help_option=False, context_settings=_ITS_OWN_ARGUMENTS)
def preview(context: typer.Context) -> None:
    """Render a template and show the request; nothing is sent."""
    from app.cli.preview import main

    _run_as_its_own(main, context)


@embedded_app.command("clickhouse", add_help_option=False, context_settings=_ITS_OWN_ARGUMENTS)
def embedded_clickhouse(context: typer.Context) -> None:
    """Serve a ClickHouse engine on loopback, for one machine."""
    from app.embedded.clickhouse import main

    _run_as_its_own(main, context)


@embedded_app.command("broker", add_help_option=False, context_settings=_ITS_OWN_ARGUMENTS)
def embedded_broker(context: typer.Context) -> None:
    """Serve Kafka's protocol on loopback, in memory."""
    from app.embedded.broker import main

    _run_as_its_own(main, context)


app.command("test-send")(send_for_test)
app.command("import")(import_links)
for _command in (dev, demo, doctor, park, release, discard, replay, backfill, simulate, reconcile, stats):
    app.command()(_command)
app.command()(schema)


def _run_as_its_own(main: Callable[[Any], int], context: typer.Context) -> NoReturn:
    sys.exit(main(context.args))
