"""What `backfill` does: decide for stored events, say what would go, ask, send each once."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from math import ceil

from app.cli.clickhouse import MAX_EXECUTION_S, clickhouse_failures_told
from app.cli.ending import confirm, fail, run_async, settings_told
from app.cli.printing import console, print_json, progress, visible
from app.cli.walking import Walk, flows_now, walk_of
from app.flows.flow import Flow
from app.join.build import Terms
from app.join.terms import terms_of
from app.kit.clock import now_ms, utc
from app.kit.pace import Pace
from app.kit.secrets import Secrets
from app.log.writer import connect
from app.messages.request import Request
from app.outbound.replay import Replays
from app.outbound.underway import under_way
from app.queries.backfill import PAST_DEADLINE, Asked, Known, Stays, backfill
from app.queries.made import made_of
from app.queries.rerender import lines_of
from app.settings import Settings, environment
from app.stream.migrate import check_topics
from app.templates.names import nearest

_FIRST = 10
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Sending:
    """How it is sent, and whether to ask before."""

    rate_per_s: float
    limit: int | None
    yes: bool
    as_json: bool


@dataclass
class Looked:
    """What a look found: how many would go, why others stay, the first few as people may see them."""

    goes: int = 0
    stays: Counter[str] = field(default_factory=Counter)
    first: list[tuple[Request, list[str]]] = field(default_factory=list)


def run_backfill(asked: Asked, how: Sending) -> None:
    """Look, say, ask, send."""

    async def work(settings: Settings) -> None:
        topics = settings.topics
        await check_topics(settings, [topics.lead_events, topics.requests, topics.log])
        flows = await flows_now(settings)
        _need_postback(flows, asked)
        terms = terms_of(settings, flows.get, Secrets(environment(), settings.secrets_dir))
        async with AsyncExitStack() as stack:
            client = await connect(settings.clickhouse)
            stack.push_async_callback(client.close)
            await _backfill(await walk_of(client, settings, asked.span), terms, asked, how)

    settings = settings_told()
    try:
        with clickhouse_failures_told(settings.clickhouse):
            run_async(settings, work)
    except KeyboardInterrupt:
        fail("stopped half-way: what was written is sent; run again it goes on with the rest")


def _need_postback(flows: dict[str, Flow], asked: Asked) -> None:
    flow_id = asked.span.flow_id
    flow = flows.get(flow_id)
    if flow is None:
        fail(f"there is no flow {flow_id!r} that can be read; postbacks flows list names them")
    known = [one.id for one in flow.postbacks]
    if asked.postback_id not in known:
        near = nearest(asked.postback_id, known) if known else "none"
        fail(f"flow {flow_id} has no postback {asked.postback_id!r}; did you mean {near}?")


async def _backfill(walk: Walk, terms: Terms, asked: Asked, how: Sending) -> None:
    looked = await _look(walk, terms, asked)
    goes = min(looked.goes, how.limit or looked.goes)
    _print_looked(looked, goes, walk, asked, how)
    if not goes:
        return
    takes_s = ceil(goes / how.rate_per_s)
    confirm(f"Send {goes} at {how.rate_per_s:g} a second, about {takes_s} s?", yes=how.yes)
    sent = await _send(walk, terms, asked, how, goes)
    if how.as_json:
        print_json([{"sent": sent}])
    else:
        print(f"{sent} sent: postbacks logs tail shows what comes of them")


async def _look(walk: Walk, terms: Terms, asked: Asked) -> Looked:
    looked = Looked()
    with progress("looking", walk.events) as move:
        async for _, requests in _requests(walk, terms, asked, looked.stays, move):
            looked.goes += len(requests)
            looked.first += [(one, lines_of(one)) for one in requests[: _FIRST - len(looked.first)]]
    return looked


async def _send(walk: Walk, terms: Terms, asked: Asked, how: Sending, most: int) -> int:
    """Decide anew, since others may have sent meanwhile, and send; says how many."""
    sent, pace = 0, Pace(how.rate_per_s)
    at_once = max(1, min(_CHUNK, round(how.rate_per_s)))
    deciding = _requests(walk, terms, asked, Counter(), lambda _: None)
    async with Replays(walk.settings) as replays, aclosing(deciding) as decided:
        with progress("sending", most) as move:
            async for partition, requests in decided:
                going = [(partition, one) for one in requests[: most - sent]]
                for at in range(0, len(going), at_once):
                    chunk = going[at : at + at_once]
                    await replays.send(chunk, pace, ignore_deadline=asked.ignore_deadline)
                    sent += len(chunk)
                    move(sent)
                if sent == most:
                    break
    return sent


async def _requests(
    walk: Walk, terms: Terms, asked: Asked, stays: Counter[str], move: Callable[[int], None]
) -> AsyncGenerator[tuple[int, list[Request]], None]:
    """The requests to send, share by share, with their partition; `stays` counts why others are not."""
    flow_id = asked.span.flow_id
    way = await under_way(walk.settings, flow_id)
    underway = dict.fromkeys(way.requests, "under way")
    async for share, leads in walk.leads(move):
        rows = await made_of(walk.client, flow_id, share, max_execution_s=MAX_EXECUTION_S)
        made = ChainMap({one.request_id: one.outcome for one in rows.values()}, underway)
        known = Known(made, way.folded_to.get(share.partition, 0))
        requests = []
        for events in leads:
            for decided in backfill(events, asked, known, terms, now_ms()):
                if isinstance(decided, Stays):
                    stays[decided.reason] += 1
                else:
                    requests.append(decided)
        yield share.partition, requests


def _print_looked(looked: Looked, goes: int, walk: Walk, asked: Asked, how: Sending) -> None:
    late = looked.stays[PAST_DEADLINE]
    if how.as_json:
        first = [
            {"request_id": one.request_id, "lead_id": one.origin.lead_id, "event_id": one.origin.event_id,
             "event": one.origin.event, "rendered": lines}
            for one, lines in looked.first
        ]  # fmt: skip
        told = {"goes": goes, "would_go": looked.goes, "past_deadline": late, "stays": dict(looked.stays)}
        print_json([{**told, "first": first}])
        return
    out, span = console(), asked.span
    times = f"events from {utc(span.from_ms)} to {utc(span.to_ms)}"
    out.print(visible(f"{span.flow_id} {asked.postback_id}, {times}: {looked.goes} would go"), soft_wrap=True)
    for reason, count in looked.stays.most_common():
        out.print(visible(f"  {count} not: {reason}"), soft_wrap=True)
    if late:
        out.print("--ignore-deadline sends what is past the deadline too")
    if goes < looked.goes:
        out.print(f"--limit: the first {goes} of them now")
    for one, lines in looked.first:
        origin = one.origin
        out.print(visible(f"lead {origin.lead_id}, {origin.event}, event {origin.event_id}"), soft_wrap=True)
        for line in lines:
            out.print(f"  {visible(line)}", soft_wrap=True)
    if looked.goes > len(looked.first):
        out.print(f"and {looked.goes - len(looked.first)} more")
