"""A lead's whole story: its events and what each changed, its requests and attempts, in one timeline."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from app.queries.leads import events_of_lead
from app.queries.log import rows_of_lead
from app.queries.story import fields_of, tell
from app.queries.timeline import current, timeline
from app.web.context import web_of
from app.web.numbers import day, time_of_day
from app.web.pages.links import LOG, show_link
from app.web.pages.show import entry_of
from app.web.pages.viewers import hiding
from app.web.problem import Problem
from app.web.query import address
from app.web.render import page
from app.web.texts import say

MOST_ROWS = 1000


async def lead(request: web.Request) -> web.Response:
    """The lead that the address names."""
    web_role, lead_id = web_of(request), request.match_info["id"]
    client = await web_role.clickhouse()
    events = await events_of_lead(client, lead_id)
    rows = await rows_of_lead(client, lead_id, limit=MOST_ROWS)
    if not events and not rows:
        raise Problem(404, say("lead.none", id=lead_id))
    settings, personal = web_role.settings, hiding(request, lead_id, events)
    story = tell(events, late_s=settings.late_s, ttl_ms=settings.lead_ttl_ms)
    if personal is not None:
        story = personal.story(story)
    now = current(story)
    at = None if now is None else datetime.fromtimestamp(now.status_at / 1000, UTC)
    return page(
        request,
        "lead.html",
        lead_id=lead_id,
        lead=now,
        status_at="" if at is None else f"{day(at)} {time_of_day(at)}",
        fields=[] if now is None else list(fields_of(now).items()),
        masked=personal is not None,
        partitions=", ".join(map(str, sorted(story.leads))) if len(story.leads) > 1 else "",
        counts=(len(events), len({row.request_id for row in rows if row.attempt}), len(rows)),
        cut=MOST_ROWS if len(rows) == MOST_ROWS else 0,
        timeline=[entry_of(entry, personal) for entry in timeline(story, rows)],
        log_link=address(LOG, (("lead", lead_id),)),
        show_link=show_link,
    )
