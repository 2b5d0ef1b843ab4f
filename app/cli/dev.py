"""`postbacks dev`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from app.cli.ending import fail
from app.kit.environment import ADDRESSES, names_an_address, own_environment
from app.kit.process import StartFault, collect_rarely, end
from app.kit.reader import PREFIX
from app.settings import Settings, strangers

if TYPE_CHECKING:
    from app.dev import Home

FlowsOption = Annotated[
    Path | None,
    typer.Option("--flows", help="Folder of flow files (*.json), watched.", exists=True, file_okay=False),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65_535, help="Port of pages, API and /metrics; 0 takes a free one."),
]


def dev(flows: FlowsOption = None, port: PortOption = None) -> None:
    """Run everything on this machine: a broker, ClickHouse and all roles. Nothing else is needed.

    Other commands find it while it runs, when they are started with the same POSTBACKS_DATA_DIR.

    Example: postbacks dev --flows flows/
    """
    from app.kit.logs import configure

    settings = settings_at_home(environ_at_home("dev"), port)
    configure(settings.log_format, settings.log_level)
    settings = replace(settings, flows_dir=flows or settings.flows_dir)
    run_at_home(lambda: _until_told(settings))


def environ_at_home(command: str) -> dict[str, str]:
    """Our variables; one that names another installation ends `command` with status 2."""
    environ = own_environment()
    if names_an_address(environ):
        named = next(name for name in ADDRESSES if environ.get(name, "").strip())
        fail(
            f"{named} is set, and {command} starts an installation of its own, which other commands would "
            f"not find. Take it out of the environment or .env, or run {command} in another folder",
            status=2,
        )
    return environ


def settings_at_home(environ: Mapping[str, str], port: int | None) -> Settings:
    """The settings of what runs on this machine; what is none is a warning. Raises `SettingsFault`."""
    from app.dev import home_settings
    from app.web.inbound import read_inbound

    settings = home_settings(environ)
    read_inbound(settings.inbound)
    for stranger in strangers(environ):
        print(f"postbacks: warning: {stranger}", file=sys.stderr)
    return settings if port is None else replace(settings, web_port=port)


def run_at_home(work: Callable[[], Coroutine[Any, Any, int]]) -> NoReturn:
    """Run to the exit status that `work` gives; a start that fails is one line and status 1.

    The process ends without its threads: Faust's would keep it alive whose loop is gone.
    """
    import uvloop

    from app.kit.logs import logger

    status = 1
    collect_rarely()
    try:
        status = asyncio.Runner(loop_factory=uvloop.new_event_loop).run(work())
    except StartFault as fault:
        print(f"postbacks: {' '.join(str(fault).split())}", file=sys.stderr)
    except Exception as error:
        logger().error("it ends", reason=f"{type(error).__name__}: {error}", exc_info=error)
    end(status)


async def _until_told(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, which end a start too; a second one ends the stop."""
    from app.dev import at_home

    ours = asyncio.current_task()
    assert ours is not None
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, ours.cancel)
    try:
        async with at_home(settings, flows=settings.flows_dir, tell=_say) as home:
            _say("\n".join(_told(settings, home)))
            ended = await home.ended()
            again = f"start it again: {called(settings)} dev (what Kafka and ClickHouse held is gone)"
            print(f"postbacks: dev ends: {ended}; {again}", file=sys.stderr)
            end(1)  # an orderly stop would wait for what is gone
    except asyncio.CancelledError:
        return 0


def called(settings: Settings) -> str:
    """How to call us again, as we were called, for the same data directory."""
    name = "postbacks" if shutil.which("postbacks") == sys.argv[0] else sys.argv[0]
    is_default = str(settings.data_dir) == ".postbacks"
    return name if is_default else f"{PREFIX}DATA_DIR={settings.data_dir} {name}"


def _say(text: str) -> None:
    print(text, flush=True)


def _told(settings: Settings, home: Home) -> list[str]:
    """What runs where, what a stop loses, and how to go on."""
    from app.flows.decide import GLOBAL

    here, command = home.settings, called(settings)
    watched = f"{settings.flows_dir}, watched, {len(home.flows)} to begin with"
    flow_id = next((flow_id for flow_id in home.flows if flow_id != GLOBAL), "F-7")
    event = f'{{"event_id": "e-1", "lead_id": "L-1", "flow_id": "{flow_id}", "status": "new"}}'
    return [
        "Postbacks is ready.",
        f"  pages       http://{here.web_host}:{here.web_port}/ (API: /api/openapi.json)",
        f"  Kafka       {here.kafka}",
        f"  ClickHouse  {here.clickhouse}",
        f"  flows       {watched if settings.flows_dir else 'no folder is watched: --flows DIR'}",
        "A stop (Ctrl-C) loses all of it: leads, requests, flows applied by hand, rows.",
        "Go on in a second terminal, in this folder:",
        f"  echo '{event}' |",
        f"    {command} leads send -",
        f"  {command} logs tail",
    ]
