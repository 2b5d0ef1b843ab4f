"""`postbacks logs tail`: rows of the log as they come, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, NoReturn

from app.cli.clickhouse import MAX_EXECUTION_S, clickhouse_failures_told
from app.cli.ending import fail, settings_told
from app.cli.printing import console, moment, number, print_json, visible
from app.cli.tables import colour_of
from app.queries.filters import FilterFault, Filters
from app.queries.rows import Listed
from app.settings import Settings, load

_POLL_S = 1.0


def follow(filters: Filters, *, last: int, as_json: bool) -> NoReturn:
    """Print the last rows that meet the filters, then each new one; Ctrl-C ends with status 0.

    ClickHouse has to be there at the start; that it goes away later is told once and waited for.
    """
    settings = settings_told()
    try:
        with clickhouse_failures_told(settings.clickhouse):
            asyncio.run(_follow(settings.clickhouse, filters, last, as_json))
    except FilterFault as fault:
        fail(str(fault), status=2)
    except KeyboardInterrupt:
        pass
    sys.exit(0)


class _Moved(Exception):
    """ClickHouse is at another address now: a dev was started again."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


async def _follow(url: str, filters: Filters, last: int, as_json: bool) -> None:
    from app.log.writer import shown

    while True:
        try:
            await _follow_at(url, filters, last, as_json)
        except _Moved as moved:
            url = moved.url
            _say(f"ClickHouse is at {shown(url)} now")


async def _follow_at(url: str, filters: Filters, last: int, as_json: bool) -> None:
    from app.log.writer import connect
    from app.queries.log import list_rows
    from app.queries.tail import start_tail

    client = await connect(url)
    try:
        tail = await start_tail(client, filters, max_execution_s=MAX_EXECUTION_S)
        if last:
            page = await list_rows(client, filters, limit=last, max_execution_s=MAX_EXECUTION_S)
            _print(reversed(page.rows), as_json)
            tail.news(page.rows)
        await _poll_for_ever(url, client, tail, filters, as_json)
    finally:
        await client.close()


async def _poll_for_ever(url: str, client: Any, tail: Any, filters: Filters, as_json: bool) -> None:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from app.log.refusal import shortened
    from app.log.writer import shown
    from app.queries.tail import poll

    is_away = False
    while True:
        await asyncio.sleep(_POLL_S)
        try:
            async for rows in poll(client, tail, filters, max_execution_s=MAX_EXECUTION_S):
                _print(rows, as_json)
        except ClickHouseError as error:
            if not is_away:
                _say(f"ClickHouse at {shown(url)}: {shortened(str(error))}; waiting for it")
            is_away = True
            if (now := load().clickhouse) not in (url, Settings.clickhouse):
                raise _Moved(now) from None
            continue
        if is_away:
            _say(f"ClickHouse at {shown(url)} is back")
        is_away = False


def _say(text: str) -> None:
    print(f"postbacks: {text}", file=sys.stderr, flush=True)


def _print(rows: Iterable[Listed], as_json: bool) -> None:
    if as_json:
        print_json(asdict(row) for row in rows)
        return
    out = console()
    layout: dict[str, Any] = (
        {"no_wrap": True, "overflow": "ellipsis"} if out.is_terminal else {"soft_wrap": True}
    )
    for row in rows:
        out.print(_line(row), **layout)
    sys.stdout.flush()


def _line(row: Listed) -> str:
    """A row in one line: when, how it went, what of whom, the answer or why not, and the id to show it by."""
    colour = colour_of(row.outcome)
    outcome = f"{row.outcome:<9}"
    where = "/".join(part for part in (row.flow_id, row.postback_id) if part)
    answer = "" if row.response_status is None else f"{row.response_status} in {number(row.duration_ms)} ms"
    why = row.error or row.reason
    if why == f"status {row.response_status}":
        why = ""
    request = row.request_id or row.attempt_id
    told = "  ".join(visible(part) for part in (where, row.event, row.lead_id, answer, why, request) if part)
    painted = f"[{colour}]{outcome}[/{colour}]" if colour else outcome
    return f"{moment(row.logged_at)[:19]}  {painted}  {told}"
