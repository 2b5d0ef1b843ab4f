"""`POST /api/replay`: requests are sent again; without `confirm` it only counts them."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.flows.verdict import Then
from app.kit.pace import Pace
from app.outbound.replay import Replays
from app.queries.again import Chosen, find, look, requests_again
from app.queries.filters import FilterFault, Filters
from app.web.api.call import Answer, Call, refused
from app.web.asked import Asked, filters_of
from app.web.problem import Problem
from app.web.releasing import rerender_for

MOST = 1_000
RATE_PER_S = 50

Verdict = Literal[Then, "blocked"]


class ReplayAsked(Asked, kw_only=True, forbid_unknown_fields=True):
    """Which requests: by their ids, or by what became of them.

    Without ids, outcome and verdict it takes those that failed or were blocked. `rerender` renders them by
    the flow as it is now, `ignore_deadline` sends also what is past its deadline, `confirm` sends.
    """

    ids: Annotated[tuple[str, ...], Meta(max_length=MOST)] = ()
    verdict: tuple[Verdict, ...] = ()
    rerender: bool = False
    ignore_deadline: bool = False
    confirm: bool = False


class Replayed(Struct):
    """How many requests were found, can be sent, are past their deadline, were sent; why some cannot be.

    With `rerender`: how many differ from what was sent, and the first few differences, a line each.
    """

    found: int
    sendable: int
    overdue: int
    replayed: int
    not_sendable: dict[str, int]
    differing: int = 0
    differences: list[list[str]] = []


async def replay(call: Call[None, ReplayAsked]) -> Answer[Replayed]:
    """Send requests again, each once, oldest first; without `confirm` only say how many.

    At most 1000 in one call, 50 a second, so that an answer may take 20 s; postbacks replay sends any number.
    """
    asked, web = call.body, call.web
    filters = filters_of(asked, call.asker, web.now_ms())
    if filters == Filters() and not asked.ids and not asked.verdict:
        raise refused("", "say which requests: ids, or a filter such as flow and since")
    if web.replaying.locked():
        raise Problem(409, "another replay is being sent by this worker: wait for its end")
    async with web.replaying, AsyncExitStack() as stack:
        client = await web.clickhouse()
        try:
            chosen = await find(client, web.settings, Chosen(filters, asked.ids, asked.verdict))
        except FilterFault as fault:
            raise refused("text", str(fault)) from None
        if len(chosen) > MOST:
            raise refused(
                "", f"{len(chosen)} requests, over the limit of {MOST}: narrow it, or postbacks replay"
            )
        replays = await stack.enter_async_context(Replays(web.settings))
        rewrite = await rerender_for(web) if asked.rerender else None
        looked = await look(chosen, replays, rewrite, web.now_ms())
        told = Replayed(len(chosen), looked.sendable, looked.overdue, 0, dict(looked.faults))
        if rewrite is not None:
            told.differing, told.differences = rewrite.differing, list(rewrite.differences)
        if asked.confirm:
            pace = Pace(RATE_PER_S)
            async for requests in requests_again(chosen, replays, rewrite, Counter()):
                await replays.send(requests, pace, ignore_deadline=asked.ignore_deadline)
                told.replayed += len(requests)
        return Answer(told)
