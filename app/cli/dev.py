"""`postbacks dev`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.cli.ending import fail
from app.kit.environment import ADDRESSES, names_an_address, own_environment
from app.kit.process import StartFault, end, told_to_stop
from app.settings import Settings, strangers

FlowsOption = Annotated[
    Path | None,
    typer.Option("--flows", help="Folder of flow files (*.json), watched.", exists=True, file_okay=False),
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65_535, help="Port of the pages; 0 takes a free one.")
]


def dev(flows: FlowsOption = None, port: PortOption = None) -> None:
    """Run everything on this machine: a broker, ClickHouse and all roles. Nothing else is needed.

    Other commands find it while it runs, when they are started with the same POSTBACKS_DATA_DIR.

    Example: postbacks dev --flows flows/
    """
    from app.dev import home_settings
    from app.kit.logs import configure

    environ = own_environment()
    if names_an_address(environ):
        named = next(name for name in ADDRESSES if environ.get(name, "").strip())
        fail(
            f"{named} is set, and dev starts an installation of its own, which other commands would not "
            "find. Take it out of the environment or .env, or run dev in another folder",
            status=2,
        )
    settings = home_settings(environ)
    for stranger in strangers(environ):
        print(f"postbacks: warning: {stranger}", file=sys.stderr)
    configure(settings.log_format, settings.log_level)
    if port is not None:
        settings = replace(settings, web_port=port)
    _run(replace(settings, flows_dir=flows or settings.flows_dir))


def _run(settings: Settings) -> NoReturn:
    import uvloop

    try:
        status = asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_until_told(settings))
    except StartFault as fault:
        fail(str(fault))
    end(status)


async def _until_told(settings: Settings) -> int:
    from app.dev import at_home

    stop = told_to_stop()
    async with at_home(settings, flows=settings.flows_dir) as home:
        print("\n".join(_told(settings, home.settings)), flush=True)
        ended = asyncio.create_task(home.ended())
        await asyncio.wait((asyncio.create_task(stop.wait()), ended), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            say = "start it again: postbacks dev (what Kafka and ClickHouse held is gone)"
            print(f"postbacks: dev ends: {ended.result()}; {say}", file=sys.stderr)
            end(1)
    return 0


def _told(settings: Settings, home: Settings) -> list[str]:
    """What runs where, what a stop loses, and how to go on; `home` has the real addresses."""
    watched = (
        f"{settings.flows_dir}, watched"
        if settings.flows_dir
        else "none watched: --flows DIR, or flows apply"
    )
    other = "" if str(settings.data_dir) == ".postbacks" else f"POSTBACKS_DATA_DIR={settings.data_dir} "
    return [
        "Postbacks is ready.",
        f"  pages       http://{home.web_host}:{home.web_port}/metrics",
        f"  Kafka       {home.kafka}",
        f"  ClickHouse  {home.clickhouse}",
        f"  flows       {watched}",
        "A stop (Ctrl-C) loses all of it: leads, requests, flows applied by hand, rows.",
        "Go on in a second terminal" + (":" if other else ", in this folder:"),
        f"  {other}postbacks leads send leads.jsonl",
        f"  {other}postbacks logs tail",
    ]
