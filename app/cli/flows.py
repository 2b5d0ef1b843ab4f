"""`postbacks flows`: configs to and from Kafka."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.flows.config import FlowFault, parse
from app.flows.lint import lint
from app.settings import Settings, load

flows_app = typer.Typer(help="Flow configs: what fires, and what is sent.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="JSON files, one flow each; - is standard input.")]
Json = Annotated[bool, typer.Option("--json", help="One object a line.")]


@flows_app.command("apply")
def apply(files: Files) -> None:
    """Check flows and write them to Kafka; nothing is written when one of them is refused.

    Example: postbacks flows apply flows/summer-ua.json
    """
    from app.cli.commands import run_async

    settings = load()
    configs = [_checked(path) for path in files]
    run_async(_write(settings, {parse(config).flow_id: config for config in configs}), settings)
    for config in configs:
        print(f"flow {parse(config).flow_id} applied")


@flows_app.command("lint")
def lint_files(files: Files, as_json: Json = False) -> None:
    """Say what is wrong or doubtful in flow files; status 2 when one would be refused.

    Example: postbacks flows lint flows/*.json
    """
    refused = False
    for path in files:
        config = _read(path)
        try:
            parse(config)
        except FlowFault as fault:
            refused = True
            _say(path, "refused", fault.place, fault.reason, as_json)
            continue
        for warning in lint(config):
            _say(path, "warning", warning.place, warning.text, as_json)
    sys.exit(2 if refused else 0)


@flows_app.command("list")
def list_flows(as_json: Json = False) -> None:
    """The flows in Kafka, with their versions and what is wrong with a broken one.

    Example: postbacks flows list --json
    """
    from app.cli.commands import run_async

    settings = load()
    rows = [_row(key, *kept) for key, kept in sorted(run_async(_all(settings), settings).items())]
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("flow", "name", "version", "state", "postbacks", box=None)
    for row in rows:
        table.add_row(
            row["flow_id"], row["name"], str(row["version"]), row["state"], ", ".join(row["postbacks"])
        )
    Console().print(table)


@flows_app.command("show")
def show(flow_id: str) -> None:
    """A flow's config as it was written.

    Example: postbacks flows show F-7
    """
    from app.cli.commands import fail, run_async

    settings = load()
    kept = run_async(_all(settings), settings).get(flow_id)
    if kept is None:
        fail(f"there is no flow {flow_id!r}; postbacks flows list names them")
    print(kept[0].decode("utf-8", "replace"))


@flows_app.command("delete")
def delete(flow_id: str) -> None:
    """Delete a flow: its leads fall under the flow * then.

    Example: postbacks flows delete F-7
    """
    from app.cli.commands import fail, run_async

    settings = load()
    if flow_id not in run_async(_all(settings), settings):
        fail(f"there is no flow {flow_id!r}; postbacks flows list names them")
    run_async(_write(settings, {flow_id: None}), settings)
    print(f"flow {flow_id} deleted")


def _read(path: Path) -> bytes:
    from app.cli.commands import fail

    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        fail(f"{path}: {error.strerror}", status=2)


def _checked(path: Path) -> bytes:
    from app.cli.commands import fail

    config = _read(path)
    try:
        parse(config)
    except FlowFault as fault:
        fail(f"{path}: {fault}", status=2)
    for warning in lint(config):
        print(f"{path}: warning: {warning.place}: {warning.text}", file=sys.stderr)
    return config


def _say(path: Path, kind: str, place: str, text: str, as_json: bool) -> None:
    if as_json:
        row = {"file": str(path), "kind": kind, "place": place, "text": text}
        print(json.dumps(row, ensure_ascii=False))
    else:
        print(f"{path}: {kind}: {place}: {text}" if place else f"{path}: {kind}: {text}")


def _row(key: str, config: bytes, version: int) -> dict[str, Any]:
    try:
        flow = parse(config)
    except FlowFault as fault:
        return {"flow_id": key, "name": "", "version": version, "state": f"broken: {fault}", "postbacks": []}
    return {
        "flow_id": key,
        "name": flow.name,
        "version": version,
        "state": "enabled" if flow.enabled else "disabled",
        "postbacks": [postback.id for postback in flow.postbacks],
    }


async def _all(settings: Settings) -> dict[str, tuple[bytes, int]]:
    from app.stream.whole import read_whole

    return await read_whole(
        settings, settings.topics.flow_configs.name, lambda key, value, offset: (value, offset)
    )


async def _write(settings: Settings, configs: dict[str, bytes | None]) -> None:
    from app.stream.kafka import new_producer

    producer = new_producer(settings)
    await producer.start()
    try:
        for flow_id, config in configs.items():
            topic = settings.topics.flow_configs.name
            await producer.send_and_wait(topic, config, key=flow_id.encode(), partition=0)
    finally:
        await producer.stop()
