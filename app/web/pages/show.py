"""Show: one request with all its attempts, its lead's history beside it, and why it was made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any

from aiohttp import web

from app.join.again import CannotRender, Wanted, fingerprint_again
from app.join.terms import terms_of
from app.kit.pace import Pace
from app.messages.record import Address
from app.outbound.replay import Replays, numbered
from app.queries.filters import Filters
from app.queries.flows import Version, flow_version
from app.queries.leads import events_of_lead
from app.queries.log import rows_of_lead, show_request, show_row
from app.queries.replay import find_replayable
from app.queries.rerender import source_of
from app.queries.rows import Shown
from app.queries.story import StoredEvent, ToldEvent, tell
from app.queries.timeline import Entry, timeline
from app.web.context import Web, asker_in, web_of
from app.web.curl import curl
from app.web.pages.links import lead_link, request_link, show_link
from app.web.pages.viewers import hiding
from app.web.personal import Personal
from app.web.pretty import pretty
from app.web.problem import Problem
from app.web.render import is_part, page
from app.web.texts import say
from app.web.why import Why, flow_in, why

_HISTORY_ROWS = 50


async def show(request: web.Request) -> web.Response:
    """The request, or the row without one, that the address names."""
    said = say("show.again_done", number=request.query["again"]) if "again" in request.query else ""
    shown_id = request.match_info["id"]
    rows = await _rows(request, shown_id)
    if not rows:
        raise Problem(404, say("show.none", id=shown_id))
    seen = await _seen(request, rows)
    template = "_show_row.html" if is_part(request) else "show.html"
    return page(request, template, said=said, shown_id=shown_id, **seen)


async def _rows(request: web.Request, id_: str) -> list[Shown]:
    client = await web_of(request).clickhouse()
    rows = await show_request(client, id_)
    return rows or await show_row(client, id_)


async def _seen(request: web.Request, rows: Sequence[Shown]) -> dict[str, Any]:
    """What the template shows, for who asks."""
    web_role, last = web_of(request), rows[-1]
    client = await web_role.clickhouse()
    stored = await flow_version(client, last.flow_id, last.flow_version)
    events = await events_of_lead(client, last.lead_id)
    personal = hiding(request, last.lead_id, events)
    fingerprint, unknown = _fingerprint(web_role, last, stored, events)
    reasons = why(rows, stored, fingerprint, unknown)
    if personal is not None:
        rows = [personal.row(row) for row in rows]
        reasons = Why(
            [personal.text(one) for one in reasons.sentences], reasons.same_as, personal.text(reasons.config)
        )
    sent = next((row for row in reversed(rows) if row.url), None)
    return {
        "in_row": is_part(request),
        "heading": "h2" if is_part(request) else "h1",
        "anchor": sha256(last.attempt_id.encode()).hexdigest()[:12],
        "last": rows[-1],
        "link": show_link(last),
        "lead_link": lead_link(last.lead_id),
        "show_link": show_link,
        "sent": sent,
        "request_pretty": pretty(sent.request_body) if sent is not None else "",
        "curl": "" if sent is None else curl(sent.method, sent.url, sent.request_headers, sent.request_body),
        "attempts": [(row, pretty(row.response_body)) for row in reversed(rows)],
        "why": {
            "sentences": reasons.sentences,
            "same_link": request_link(reasons.same_as) if reasons.same_as else "",
            "config": reasons.config,
        },
        "timeline": await _history(request, last, events, personal),
        "can_send_again": asker_in(request).may("editor") and bool(last.request_id) and sent is not None,
    }


async def _history(
    request: web.Request, shown: Shown, events: Sequence[StoredEvent], personal: Personal | None
) -> list[dict[str, Any]]:
    web_role = web_of(request)
    client = await web_role.clickhouse()
    rows = await rows_of_lead(client, shown.lead_id, limit=_HISTORY_ROWS)
    story = tell(events, late_s=web_role.settings.late_s, ttl_ms=web_role.settings.lead_ttl_ms)
    if personal is not None:
        story = personal.story(story)
    this = {shown.request_id or shown.attempt_id}
    return [entry_of(entry, personal, this) for entry in timeline(story, rows)]


def entry_of(entry: Entry, personal: Personal | None, this: Collection[str] = ()) -> dict[str, Any]:
    """An entry of a lead's timeline as the template shows it."""
    if isinstance(entry, ToldEvent):
        return {"kind": "event", "told": entry}
    row = entry if personal is None else personal.row(entry)
    at = max(row.logged_at, row.requested_at)
    return {"kind": "row", "told": row, "at": at, "is_this": (row.request_id or row.attempt_id) in this}


def _fingerprint(
    web_role: Web, row: Shown, stored: Version | None, events: Sequence[StoredEvent]
) -> tuple[str, str]:
    """The fingerprint of the request, or "" and why it cannot be computed."""
    flow, settings = flow_in(stored), web_role.settings
    terms = terms_of(settings, lambda _: flow, web_role.secrets)
    wanted = Wanted(row.lead_id, row.event_id, row.lead_seq, row.flow_id, row.postback_id, row.event)
    sources = [source_of(settings, event) for event in events]
    try:
        return fingerprint_again(wanted, sources, terms, web_role.now_ms()), ""
    except CannotRender as fault:
        return "", str(fault)


async def send_again(request: web.Request) -> web.Response:
    """Send the request once more, as `postbacks replay` does; its deadline holds no more."""
    id_ = request.match_info["id"]
    number = await _replayed(web_of(request), id_)
    if is_part(request):
        return web.Response(text=say("show.again_done", number=number))
    raise web.HTTPSeeOther(f"{request_link(id_)}?again={number}")


async def _replayed(web_role: Web, id_: str) -> int:
    """The number of the replay that was written. Raises `Problem`."""
    found = await find_replayable(
        await web_role.clickhouse(),
        Filters(),
        requests_topic=web_role.settings.topics.requests.name,
        request_ids=[id_],
    )
    if not found or found[0].offset < 0:
        raise Problem(404, say("show.again_gone"))
    one = found[0]
    address = Address(one.partition, one.offset, one.index)
    async with Replays(web_role.settings) as replays:
        original = (await replays.originals([address]))[address]
        if original.request is None:
            raise Problem(409, say("show.again_lost", reason=original.reason))
        request = numbered(original.request, one.replay + 1)
        await replays.send([(one.partition, request)], Pace(1), ignore_deadline=True)
    return one.replay + 1
