"""What `replay` does: find the requests, say what they are, ask, send each once, say what was done."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from app.cli.clickhouse import MAX_EXECUTION_S, clickhouse_failures_told
from app.cli.ending import confirm, fail, run_async, settings_told
from app.cli.printing import console, print_json, visible
from app.cli.rerender import print_differences, rerender_for
from app.kit.clock import now_ms
from app.kit.pace import Pace
from app.log.writer import connect
from app.outbound.replay import Replays
from app.queries.again import VERDICTS, Chosen, Looked, find, look, requests_again
from app.queries.filters import FilterFault
from app.queries.replay import Replayable
from app.queries.rerender import Rerender
from app.settings import Settings
from app.stream.migrate import check_topics

_IDS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command is asked."""

    chosen: Chosen
    rate_per_s: float
    rerender: bool
    ignore_deadline: bool
    yes: bool
    as_json: bool


def replay(asked: Asked) -> None:
    """Find, count, ask, send."""
    if unknown := [name for name in asked.chosen.verdicts if name not in VERDICTS]:
        fail(f"there is no verdict {unknown[0]!r}: they are {', '.join(VERDICTS)}", status=2)

    async def work(settings: Settings) -> None:
        await check_topics(settings, [settings.topics.requests])
        chosen = await _find(settings, asked.chosen)
        _print_chosen(chosen, asked)
        if chosen:
            async with AsyncExitStack() as stack:
                await _replay(settings, chosen, asked, stack)

    settings = settings_told()
    try:
        with clickhouse_failures_told(settings.clickhouse):
            run_async(settings, work)
    except FilterFault as fault:
        fail(str(fault), status=2)
    except KeyboardInterrupt:
        fail("stopped half-way: what was written is sent, the rest is not")


async def _find(settings: Settings, asked: Chosen) -> list[Replayable]:
    client = await connect(settings.clickhouse)
    found: list[Replayable] = []
    try:
        for at in range(0, max(1, len(asked.ids)), _IDS_AT_ONCE):
            part = replace(asked, ids=asked.ids[at : at + _IDS_AT_ONCE])
            found += await find(client, settings, part, max_execution_s=MAX_EXECUTION_S)
    finally:
        await client.close()
    return sorted(found, key=lambda one: (one.requested_at, one.lead_seq, one.request_id))


async def _replay(
    settings: Settings, chosen: Sequence[Replayable], asked: Asked, stack: AsyncExitStack
) -> None:
    replays = await stack.enter_async_context(Replays(settings))
    rewrite = await rerender_for(settings, stack) if asked.rerender else None
    looked = await look(chosen, replays, rewrite, now_ms())
    _print_looked(looked, rewrite, asked)
    if not looked.sendable:
        fail("nothing can be sent")
    takes_s = ceil(looked.sendable / asked.rate_per_s)
    confirm(
        f"Send {looked.sendable} again at {asked.rate_per_s:g} a second, about {takes_s} s?", yes=asked.yes
    )
    pace, sent = Pace(asked.rate_per_s), 0
    async for requests in requests_again(chosen, replays, rewrite, Counter()):
        await replays.send(requests, pace, ignore_deadline=asked.ignore_deadline)
        sent += len(requests)
        if sent < looked.sendable:
            print(f"{sent} of {looked.sendable} written", file=sys.stderr)
    if asked.as_json:
        print_json([{"replayed": sent, "not_sent": sum(looked.faults.values())}])
    else:
        print(f"{sent} sent again: postbacks logs tail shows what comes of them")


def _print_chosen(chosen: Sequence[Replayable], asked: Asked) -> None:
    """How many of what, the oldest and the newest."""
    counts = Counter((one.flow_id, one.postback_id, one.host, one.outcome) for one in chosen)
    if asked.as_json:
        print_json(
            {"flow_id": flow, "postback_id": postback, "host": host, "outcome": outcome, "requests": count}
            for (flow, postback, host, outcome), count in counts.most_common()
        )
        return
    out = console()
    out.print(f"{len(chosen)} requests")
    for (flow, postback, host, outcome), count in counts.most_common():
        out.print(visible(f"  {count} {outcome}: {flow} {postback}, {host}"), soft_wrap=True)
    if waiting := sum(one.outcome == "retrying" for one in chosen):
        out.print(f"{waiting} are still sent again by themselves: they may arrive twice")
    for name, one in (("oldest", chosen[0]), ("newest", chosen[-1])) if chosen else ():
        out.print(
            visible(
                f"{name}: {one.requested_at:%Y-%m-%d %H:%M:%S}, lead {one.lead_id}, {one.event}, "
                f"request {one.request_id}"
            ),
            soft_wrap=True,
        )


def _print_looked(looked: Looked, rewrite: Rerender | None, asked: Asked) -> None:
    """What cannot be sent, what will fail, and what rendering changed."""
    late = 0 if asked.ignore_deadline else looked.overdue
    if asked.as_json:
        told: dict[str, Any] = {"sendable": looked.sendable, "overdue": late, "not_sent": dict(looked.faults)}
        if rewrite is not None:
            told |= {"differing": rewrite.differing, "differences": rewrite.differences}
        print_json([told])
        return
    out = console()
    for reason, count in looked.faults.most_common(10):
        out.print(visible(f"{count} cannot be sent: {reason}"), soft_wrap=True)
    if late:
        out.print(f"{late} are past their deadline and will fail; --ignore-deadline sends them")
    if rewrite is not None:
        print_differences(rewrite, looked.sendable)
