"""What `replay` does: find the requests, say what they are, ask, send each once, say what was done."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, get_args

from app.cli.clickhouse import MAX_EXECUTION_S, clickhouse_failures_told
from app.cli.ending import confirm, fail, run_async, settings_told
from app.cli.printing import console, print_json, visible
from app.cli.rerender import print_differences, rerender_for
from app.flows.verdict import Then
from app.join.again import Wanted
from app.kit.clock import now_ms
from app.kit.pace import Pace
from app.log.writer import connect
from app.messages.record import Address
from app.messages.request import Request
from app.outbound.policy import overdue
from app.outbound.replay import Original, Replays, numbered
from app.queries.filters import FilterFault, Filters
from app.queries.replay import Replayable, find_replayable
from app.queries.rerender import Rerender, ToRender
from app.settings import Settings
from app.stream.migrate import check_topics

_CHUNK = 500
_VERDICTS = (*get_args(Then), "blocked")
_NEVER = Original(None, "it was never rendered")
_BY_ITSELF = ("failed", "blocked")
"""What is sent again when neither ids nor outcomes are named."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which requests: all must hold, empty asks for nothing."""

    filters: Filters
    ids: tuple[str, ...]
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command is asked."""

    chosen: Chosen
    rate_per_s: float
    rerender: bool
    ignore_deadline: bool
    yes: bool
    as_json: bool


@dataclass
class Looked:
    """What a look at the chosen requests found; `faults` counts why some cannot be sent."""

    sendable: int = 0
    overdue: int = 0
    faults: Counter[str] = field(default_factory=Counter)


def replay(asked: Asked) -> None:
    """Find, count, ask, send."""
    if unknown := [name for name in asked.chosen.verdicts if name not in _VERDICTS]:
        fail(f"there is no verdict {unknown[0]!r}: they are {', '.join(_VERDICTS)}", status=2)

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
    filters = asked.filters
    if not asked.ids and not filters.outcomes and not asked.verdicts:
        filters = replace(filters, outcomes=_BY_ITSELF)
    client = await connect(settings.clickhouse)
    try:
        return await find_replayable(
            client,
            filters,
            requests_topic=settings.topics.requests.name,
            request_ids=asked.ids,
            verdicts=asked.verdicts,
            max_execution_s=MAX_EXECUTION_S,
        )
    finally:
        await client.close()


async def _replay(
    settings: Settings, chosen: Sequence[Replayable], asked: Asked, stack: AsyncExitStack
) -> None:
    replays = await stack.enter_async_context(Replays(settings))
    rewrite = await rerender_for(settings, stack) if asked.rerender else None
    looked = Looked()
    async for requests in _requests(chosen, replays, rewrite, looked.faults):
        looked.sendable += len(requests)
        looked.overdue += sum(overdue(request, now_ms()) is not None for _, request in requests)
    _print_looked(looked, rewrite, asked)
    if not looked.sendable:
        fail("nothing can be sent")
    takes_s = ceil(looked.sendable / asked.rate_per_s)
    confirm(
        f"Send {looked.sendable} again at {asked.rate_per_s:g} a second, about {takes_s} s?", yes=asked.yes
    )
    pace, sent = Pace(asked.rate_per_s), 0
    async for requests in _requests(chosen, replays, rewrite, Counter()):
        await replays.send(requests, pace, ignore_deadline=asked.ignore_deadline)
        sent += len(requests)
        if sent < looked.sendable:
            print(f"{sent} of {looked.sendable} written", file=sys.stderr)
    if asked.as_json:
        print_json([{"replayed": sent, "not_sent": sum(looked.faults.values())}])
    else:
        print(f"{sent} sent again: postbacks logs tail shows what comes of them")


async def _requests(
    chosen: Sequence[Replayable], replays: Replays, rewrite: Rerender | None, faults: Counter[str]
) -> AsyncIterator[list[tuple[int, Request]]]:
    """The requests as they will be sent, with their partitions, some at a time; `faults` takes the others."""
    for at in range(0, len(chosen), _CHUNK):
        chunk = chosen[at : at + _CHUNK]
        originals = await replays.originals([_address(one) for one in chunk if one.offset >= 0])
        before = [originals.get(_address(one), _NEVER) for one in chunk]
        if rewrite is None:
            found = [original.request for original in before]
            faults.update(f"{o.reason}: --rerender makes it anew" for o in before if o.reason)
        else:
            known = len(rewrite.faults)
            pairs = zip(chunk, before, strict=True)
            found = await rewrite.render(
                [ToRender(one.request_id, _wanted(one), one.partition, o.request) for one, o in pairs]
            )
            faults.update(fault.reason for fault in rewrite.faults[known:])
        yield [
            (one.partition, numbered(request, one.replay + 1))
            for one, request in zip(chunk, found, strict=True)
            if request is not None
        ]


def _address(one: Replayable) -> Address:
    return Address(one.partition, one.offset, one.index)


def _wanted(one: Replayable) -> Wanted:
    return Wanted(one.lead_id, one.event_id, one.lead_seq, one.flow_id, one.postback_id, one.event)


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
