"""`postbacks flows`: configs to and from Kafka."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.cli.ending import fail, patience, producing, run_async, settings_told
from app.cli.printing import JsonOption, print_json
from app.cli.sample import read_sample, warnings_for
from app.cli.tables import Column, print_table
from app.flows.config import FlowFault, parse, parse_record
from app.kit.clock import now_ms, today
from app.kit.reader import Reader
from app.kit.secrets import Secrets
from app.messages.state import PostbackState, postback_of
from app.presets.expiry import lint
from app.settings import Settings, environment

flows_app = typer.Typer(
    help="Flow configs: what fires, and what is sent.",
    epilog="Example: postbacks flows apply flows/summer-ua.json",
    no_args_is_help=True,
)

Flows = dict[str, tuple[bytes, int]]
"""Configs as they were written and their versions, by flow id."""
_LISTED = (
    Column("flow", least=8),
    Column("name", rank=1, least=8),
    Column("version", rank=2, right=True),
    Column("state", least=16),
    Column("postbacks", rank=3, least=12),
    Column("parked", rank=1, least=8),
)
Files = Annotated[list[Path], typer.Argument(help="JSON files, one flow each; - is standard input.")]
FlowId = Annotated[str, typer.Argument(help="Flow id; * holds the global postbacks.")]


@flows_app.command("apply")
def apply(files: Files, as_json: JsonOption = False) -> None:
    """Check flows and write them to Kafka; nothing is written when one of them is refused.

    Example: postbacks flows apply flows/summer-ua.json
    """
    settings = settings_told()
    configs: dict[str, bytes] = {}
    came_from: dict[str, Path] = {}
    for path in files:
        flow_id, config = checked(path)
        if flow_id in configs:
            fail(f"{path}: flow {flow_id} is in {came_from[flow_id]} too; nothing is written", status=2)
        configs[flow_id], came_from[flow_id] = config, path
    versions = run_async(settings, lambda settings: write_flows(settings, configs))
    if as_json:
        print_json({"flow_id": flow_id, "version": version} for flow_id, version in versions.items())
        return
    for flow_id in versions:
        print(f"flow {flow_id} applied")


@flows_app.command("lint")
def lint_files(
    files: Files,
    lead: Annotated[
        str | None, typer.Option(metavar="ID", help="Look at what a lead of ClickHouse fills in, too.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong or doubtful in flow files; status 2 when one would be refused.

    With --lead also what is doubtful about the values that the lead has: missing, hashed or encoded already,
    times in another unit.

    Example: postbacks flows lint flows/*.json
    """
    refused = False
    secrets = secrets_here()
    sample = None if lead is None else read_sample(lead)
    seen: dict[str, Path] = {}
    for path in files:
        config = _read(path)
        try:
            flow_id = parse(config).flow_id
        except FlowFault as fault:
            refused = True
            _say(path, "refused", fault.place, fault.reason, as_json)
            continue
        if (other := seen.setdefault(flow_id, path)) is not path:
            text = f"{flow_id} is in {other} too: dev takes neither, apply leaves the last one"
            _say(path, "warning", "flow_id", text, as_json)
        for warning in lint(config, secrets, today()):
            _say(path, "warning", warning.place, warning.text, as_json)
        for warning in [] if sample is None else warnings_for(config, sample, secrets, now_ms()):
            _say(path, "warning", warning.place, warning.text, as_json)
    sys.exit(2 if refused else 0)


@flows_app.command("list")
def list_flows(as_json: JsonOption = False) -> None:
    """The flows in Kafka, with their versions, parked postbacks and what is wrong with a broken one.

    Example: postbacks flows list --json
    """
    flows, parked = run_async(settings_told(), _flows_and_parked)
    rows = [
        {**_row(key, *kept), "parked": sorted(parked.get(key, ()))} for key, kept in sorted(flows.items())
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        _LISTED,
        [
            (
                *(str(row[name]) for name in ("flow_id", "name", "version", "state")),
                ", ".join(row["postbacks"]),
                ", ".join(row["parked"]),
            )
            for row in rows
        ],
    )


@flows_app.command("show")
def show(flow_id: FlowId, as_json: JsonOption = False) -> None:
    """A flow's config as it was written; what is parked is said on standard error.

    Example: postbacks flows show F-7
    """
    flows, parked = run_async(settings_told(), _flows_and_parked)
    if flow_id not in flows:
        fail(f"there is no flow {flow_id!r}; postbacks flows list names them")
    config, version = flows[flow_id]
    if as_json:
        kept = sorted(parked.get(flow_id, ()))
        print_json([{"flow_id": flow_id, "version": version, "parked": kept, "config": _value(config)}])
        return
    sys.stdout.buffer.write(config + b"\n")
    for postback_id, state in sorted(parked.get(flow_id, {}).items()):
        print(f"postbacks: {postback_id} is {state.told()}", file=sys.stderr)


@flows_app.command("delete")
def delete(flow_id: FlowId, as_json: JsonOption = False) -> None:
    """Delete a flow; flow *, if there is one, serves its leads then.

    Example: postbacks flows delete F-7
    """
    settings = settings_told()
    if flow_id not in run_async(settings, read_flows):
        fail(f"there is no flow {flow_id!r}; postbacks flows list names them")
    versions = run_async(settings, lambda settings: write_flows(settings, {flow_id: None}))
    if as_json:
        print_json([{"flow_id": flow_id, "version": versions[flow_id], "deleted": True}])
    else:
        print(f"flow {flow_id} deleted")


def _value(config: bytes) -> object:
    """The config as JSON; as text when somebody wrote what is none."""
    try:
        return orjson.loads(config)
    except orjson.JSONDecodeError:
        return config.decode("utf-8", "replace")


def secrets_here() -> Secrets:
    """The secrets as they are set where the command runs. Raises `SettingsFault`."""
    environ = environment()
    return Secrets(environ, Reader(environ).folder("SECRETS_DIR"))


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        fail(f"{path}: {error.strerror}", status=2)


def checked(path: Path) -> tuple[str, bytes]:
    """A config with its flow's id, its warnings told; one that would be refused ends the command."""
    config = _read(path)
    try:
        flow_id = parse(config).flow_id
    except FlowFault as fault:
        fail(f"{path}: {fault}", status=2)
    for warning in lint(config, secrets_here(), today()):
        print(f"{path}: warning: {warning.place}: {warning.text}", file=sys.stderr)
    return flow_id, config


def _say(path: Path, kind: str, place: str, text: str, as_json: bool) -> None:
    if as_json:
        print_json([{"file": str(path), "kind": kind, "place": place, "text": text}])
    else:
        print(f"{path}: {kind}: {place}: {text}" if place else f"{path}: {kind}: {text}")


def _row(key: str, config: bytes, version: int) -> dict[str, Any]:
    try:
        flow = parse_record(key, config)
    except FlowFault as fault:
        return {"flow_id": key, "name": "", "version": version, "state": f"broken: {fault}", "postbacks": []}
    return {
        "flow_id": key,
        "name": flow.name,
        "version": version,
        "state": "enabled" if flow.enabled else "disabled",
        "postbacks": [postback.id for postback in flow.postbacks],
    }


async def read_flows(settings: Settings) -> Flows:
    """The configs in Kafka as they were written, with their versions. Raises `TopicFault`, `KafkaError`."""
    from app.stream.migrate import check_topics
    from app.stream.whole import read_whole

    topic = settings.topics.flow_configs
    await check_topics(settings, [topic])
    return await read_whole(settings, topic.name, lambda key, value, offset: (value, offset))


async def _flows_and_parked(settings: Settings) -> tuple[Flows, dict[str, dict[str, PostbackState]]]:
    """The configs, and the states of the postbacks that are parked, by flow and postback id."""
    from app.outbound.parked import known_state
    from app.stream.migrate import check_topics
    from app.stream.whole import read_whole

    topic = settings.topics.postback_states
    await check_topics(settings, [topic])
    flows, states = await asyncio.gather(read_flows(settings), read_whole(settings, topic.name, known_state))
    parked: dict[str, dict[str, PostbackState]] = {}
    for key, known in states.items():
        if known.state.state == "parked" and (postback := postback_of(key)) is not None:
            parked.setdefault(postback[0], {})[postback[1]] = known.state
    return flows, parked


async def write_flows(settings: Settings, configs: Mapping[str, bytes | None]) -> dict[str, int]:
    """Write configs, null deletes; their versions, once Kafka has them all."""
    from app.stream.migrate import check_topics

    topic = settings.topics.flow_configs
    await check_topics(settings, [topic])
    async with producing(settings) as producer, patience():
        sent = [
            await producer.send(topic.name, config, key=flow_id.encode(), partition=0)
            for flow_id, config in configs.items()
        ]
        written = await asyncio.gather(*sent)
    return {flow_id: record.offset for flow_id, record in zip(configs, written, strict=True)}
