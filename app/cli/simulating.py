"""What `simulate` does: go through stored events by a flow, count, say what differs from what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.cli.clickhouse import MAX_EXECUTION_S, clickhouse_failures_told
from app.cli.ending import run_async, settings_told
from app.cli.flows import checked
from app.cli.printing import console, print_json, progress, visible
from app.cli.tables import Column, print_table
from app.cli.walking import Walk, flows_now, walk_of
from app.flows.config import FlowFault, parse
from app.flows.flow import Flow
from app.join.terms import terms_of
from app.kit.clock import now_ms, utc
from app.kit.secrets import Secrets
from app.log.writer import connect
from app.outbound.underway import under_way
from app.queries.flows import flow_version
from app.queries.made import counts_of, made_of, on_its_way
from app.queries.simulate import Outcome, Simulation
from app.queries.stored import Span
from app.settings import Settings, environment
from app.stream.migrate import check_topics

Then = Mapping[str, Counter[str]]


def run_simulation(file: Path, flow_id: str | None, times: tuple[int, int], *, as_json: bool) -> None:
    """Go through the events of a time, and say what came of it."""
    _, config = checked(file)
    flow = parse(config)
    if flow_id is not None:
        flow = replace(flow, flow_id=flow_id)
    span = Span(flow.flow_id, *times)

    async def work(settings: Settings) -> None:
        topics = settings.topics
        await check_topics(settings, [topics.lead_events, topics.requests, topics.log])
        terms = terms_of(
            settings, (await flows_now(settings)).get, Secrets(environment(), settings.secrets_dir)
        )
        async with AsyncExitStack() as stack:
            client = await connect(settings.clickhouse)
            stack.push_async_callback(client.close)
            simulation = Simulation(flow, span, terms, now_ms())
            await _simulate(await walk_of(client, settings, span), simulation)
            then = await counts_of(client, span, max_execution_s=MAX_EXECUTION_S)
        _print(span, simulation.outcome, then, as_json=as_json)

    settings = settings_told()
    with clickhouse_failures_told(settings.clickhouse):
        run_async(settings, work)


async def _simulate(walk: Walk, simulation: Simulation) -> None:
    flow_id = walk.span.flow_id
    way = await under_way(walk.settings, flow_id)
    waiting = {key: on_its_way(one) for key, one in way.requests.items()}
    versions: dict[int, Flow | None] = {}
    with progress("simulating", walk.events) as move:
        async for share, leads in walk.leads(move):
            made = await made_of(walk.client, flow_id, share, max_execution_s=MAX_EXECUTION_S)
            both = {**waiting, **made}
            for version in {one.flow_version for one in both.values()} - versions.keys():
                versions[version] = await _flow_of(walk.client, flow_id, version)
            simulation.take(leads, both, versions.get, way.folded_to.get(share.partition, 0))


async def _flow_of(client: Any, flow_id: str, version: int) -> Flow | None:
    stored = await flow_version(client, flow_id, version, max_execution_s=MAX_EXECUTION_S)
    try:
        return None if stored is None else parse(stored.value, version=version)
    except FlowFault:
        return None


def _print(span: Span, outcome: Outcome, then: Then, *, as_json: bool) -> None:
    if as_json:
        told = asdict(outcome)
        now = {postback: dict(counts) for postback, counts in outcome.now.items()}
        print_json([{**told, "now": now, "then": {key: dict(counts) for key, counts in then.items()}}])
        return
    out = console()
    times = f"events from {utc(span.from_ms)} to {utc(span.to_ms)}"
    out.print(visible(f"{span.flow_id}, {times}: {outcome.events} of its leads"), soft_wrap=True)
    columns = (Column("postback"), Column("now"), Column("then"))
    names = sorted({*outcome.now, *then})
    print_table(
        columns,
        [(name or "(the event)", _told(outcome.now.get(name)), _told(then.get(name))) for name in names],
    )
    out.print(
        f"the same {outcome.same}, changed {outcome.changed}, only now {outcome.only_now}, "
        f"only then {outcome.only_then}",
        soft_wrap=True,
    )
    if outcome.unknown:
        out.print(f"{outcome.unknown} cannot be compared: their event or their flow's version is not stored")
    for one in outcome.first:
        what = f"{one.kind}: {one.postback_id}, {one.event}, lead {one.lead_id}, request {one.request_id}"
        out.print(visible(what), soft_wrap=True)
        for line in one.lines:
            out.print(f"  {visible(line)}", soft_wrap=True)


def _told(counts: Counter[str] | None) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common()) if counts else "–"
