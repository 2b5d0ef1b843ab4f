"""The log as it grows: server-sent events, each with the rows that are new, as the page shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.log.writer import ClickHouseFault
from app.queries.filters import Filters
from app.queries.rows import Listed
from app.queries.tail import Tail, poll, start_tail
from app.web.context import asker_in, web_of
from app.web.pages.outgoing import links_in_rows
from app.web.pages.viewers import as_seen
from app.web.problem import Problem
from app.web.query import Pairs, asked_in
from app.web.render import part

MOST = 20
_POLL_S = 1.0
_ALIVE_POLLS = 15
_LONGEST_POLLS = 3600  # then the browser asks again, and whether it may is looked at again
_MOST_ROWS = 200

Following = set[asyncio.Task[Any]]
LIVE: web.AppKey[Following] = web.AppKey("live")


async def live(request: web.Request) -> web.StreamResponse:
    """Follow the log until whoever asks is gone."""
    following = request.app[LIVE]
    if len(following) >= MOST:
        raise Problem(503, f"{MOST} pages are live already: close one of them", headers={"Retry-After": "60"})
    besides = ("since", "until", "before")
    pairs, filters = asked_in(
        request.query.items(), asker_in(request), web_of(request).now_ms(), besides=besides
    )
    client = await web_of(request).clickhouse()
    tail = await start_tail(client, filters)
    headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(b": live\n\n")
    task = asyncio.current_task()
    assert task is not None
    following.add(task)
    try:
        with suppress(ConnectionError):
            await _follow(request, response, pairs, filters, tail)
    finally:
        following.discard(task)
    return response


async def end_all(application: web.Application) -> None:
    """End what is followed: the server waits for its answers when it stops."""
    following: Following = application[LIVE]
    for task in list(following):
        task.cancel()


async def _follow(
    request: web.Request, response: web.StreamResponse, pairs: Pairs, filters: Filters, tail: Tail
) -> None:
    for count in range(_LONGEST_POLLS):
        await asyncio.sleep(_POLL_S)
        async for rows in _news(request, filters, tail):
            await response.write(_event(request, pairs, rows))
        if count % _ALIVE_POLLS == 0:
            await response.write(b": alive\n\n")


async def _news(request: web.Request, filters: Filters, tail: Tail) -> AsyncIterator[Sequence[Listed]]:
    """What is new; nothing while ClickHouse is away, the next poll has it."""
    try:
        client = await web_of(request).clickhouse()
        async for rows in poll(client, tail, filters):
            if rows:
                yield await as_seen(request, list(reversed(rows))[:_MOST_ROWS])
    except (ClickHouseError, ClickHouseFault):
        return


def _event(request: web.Request, pairs: Pairs, rows: Sequence[Listed]) -> bytes:
    text = part(request, "_rows.html", rows=rows, **links_in_rows(pairs))
    lines = [f"data: {line}" for line in text.splitlines() if line.strip()]
    return ("event: rows\n" + "\n".join(lines) + "\n\n").encode()
