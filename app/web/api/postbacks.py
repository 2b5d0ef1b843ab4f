"""`/api/postbacks`: what was sent and what came back, from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from app.queries.filters import FilterFault
from app.queries.leads import events_of_leads
from app.queries.log import beginning, list_rows, show_request, show_row
from app.queries.rows import Listed, Shown
from app.web.api.call import Answer, Call, refused
from app.web.asked import Asked, filters_of
from app.web.context import Web
from app.web.personal import Personal, Row
from app.web.problem import Problem
from app.web.who import Asker


class PostbacksAsked(Asked, kw_only=True):
    """Which rows of the log, and how many of them."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[str | None, Meta(description="`next` of the page before")] = None


class Postbacks(Struct):
    """Rows of the log, newest first: each attempt, skip and rejection. The last page has no `next`."""

    data: list[Listed]
    next: str | None


class Postback(Struct):
    """Each row of one request, oldest first."""

    request_id: str
    rows: list[Shown]


async def list_postbacks(call: Call[PostbacksAsked, None]) -> Answer[Postbacks]:
    """List what was sent, what came back, and what was not sent and why."""
    asked = call.query
    filters = filters_of(asked, call.asker, call.web.now_ms())
    try:
        client = await call.web.clickhouse()
        page = await list_rows(client, filters, limit=asked.limit, before=asked.before)
    except FilterFault as fault:
        raise refused("before", str(fault)) from None
    return Answer(Postbacks(await seen_by(call.asker, call.web, page.rows), page.next))


async def show_postback(call: Call[None, None]) -> Answer[Postback]:
    """Show all of one request: each attempt with its answer. A row without one goes by its attempt_id."""
    told, client = call.name("request_id"), await call.web.clickhouse()
    rows = await show_request(client, told) or await show_row(client, told)
    if not rows and (found := await beginning(client, told)):
        rows = await show_request(client, found[0])
    if not rows:
        raise Problem(404, f"there is no request {told!r} in ClickHouse")
    return Answer(Postback(rows[0].request_id, await seen_by(call.asker, call.web, rows)))


async def seen_by(asker: Asker, web: Web, rows: Sequence[Row]) -> list[Row]:
    """The rows as who asks may see them: viewers without phone numbers and e-mail addresses."""
    if asker.may("editor") or not rows:
        return list(rows)
    leads = {row.lead_id for row in rows if row.lead_id}
    personal = Personal(await events_of_leads(await web.clickhouse(), leads))
    return [personal.row(row) for row in rows]
