"""One postback, parked or not: why, since when, what waits; park, release with its preview, discard.

A release goes on after its request was answered; its page asks how far it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from app.messages.state import Postback
from app.outbound.attempt import Rows
from app.outbound.kept import Kept, release_order
from app.outbound.release import ParkedPostback
from app.outbound.release import discard as discard_kept
from app.web import releasing
from app.web.context import Web, asker_in, web_of
from app.web.flows.difference import Line
from app.web.pages.links import LOG, flow_link, parked_link
from app.web.problem import Problem
from app.web.query import address
from app.web.releasing import (
    NoPostback,
    need_postback,
    overdue_in,
    release_of,
    rendered_anew,
    start_release,
)
from app.web.render import is_part, page
from app.web.running import Running
from app.web.texts import say

RATE_PER_S = 50.0
_LEAST_RATE, _MOST_RATE = 0.1, 10_000.0
_MOST_PREVIEWED = 1_000


async def parked(request: web.Request) -> web.Response:
    """The postback's page."""
    if is_part(request):
        return page(request, "_release.html", running=_running(request), link=_link(request))
    return await _page(request)


async def park(request: web.Request) -> web.Response:
    """Park it by hand."""
    flow_id, postback_id = _names(request)
    why = str((await request.post()).get("why", "")).strip()
    try:
        await releasing.park(web_of(request), flow_id, postback_id, why, _who(request))
    except NoPostback as fault:
        raise _none(request, fault) from None
    raise web.HTTPSeeOther(_link(request))


async def release(request: web.Request) -> web.Response:
    """Begin to let go what is kept; where one runs already, only show it."""
    form = await request.post()
    rate_per_s, rerender = _rate(str(form.get("rate", ""))), form.get("rerender") == "yes"
    start_release(
        web_of(request), *_names(request), rate_per_s=rate_per_s, by=_who(request), rerender=rerender
    )
    raise web.HTTPSeeOther(_link(request))


async def discard(request: web.Request) -> web.Response:
    """Throw away what it keeps now, with a row each."""
    web_role = web_of(request)
    rows = Rows(web_role.settings.topics.parked.name, web_role.settings.worker, web_role.secrets)
    reason = f"discarded by {_who(request)}"
    async with _postback(request) as found:
        await discard_kept(
            found,
            release_order(found.shelf.kept.values()),
            lambda made, source: rows.unsent(made, source, "discarded", reason, now_ms=web_role.now_ms()),
        )
    raise web.HTTPSeeOther(_link(request))


def _names(request: web.Request) -> Postback:
    return request.match_info["id"], request.match_info["postback"]


def _link(request: web.Request) -> str:
    return parked_link(*_names(request))


def _running(request: web.Request) -> Running | None:
    return release_of(web_of(request), *_names(request))


def _postback(request: web.Request) -> ParkedPostback:
    return ParkedPostback(web_of(request).settings, *_names(request))


def _who(request: web.Request) -> str:
    return f"{asker_in(request).role}@{web_of(request).settings.worker}"


def _rate(text: str) -> float:
    try:
        rate_per_s = float(text or RATE_PER_S)
    except ValueError:
        rate_per_s = 0.0
    if not _LEAST_RATE <= rate_per_s <= _MOST_RATE:
        raise Problem(422, say("parked.bad_rate"))
    return rate_per_s


def _none(request: web.Request, fault: NoPostback) -> Problem:
    """There is no such postback."""
    flow_id, postback_id = _names(request)
    if fault.known is None:
        return Problem(404, say("flow.none", id=flow_id))
    return Problem(404, say("parked.none", flow=flow_id, id=postback_id))


async def _page(request: web.Request) -> web.Response:
    web_role, (flow_id, postback_id) = web_of(request), _names(request)
    running = _running(request)
    async with _postback(request) as found:
        kept = release_order(found.shelf.kept.values())
        shown: dict[str, Any] = {
            "state": found.state.state if found.state is not None else None,
            "unreadable": list(found.shelf.unreadable),
        }
        shown["anew"] = await _preview(web_role, kept) if "rerender" in request.query else None
    if shown["state"] is None and not kept:
        try:
            need_postback(web_role, flow_id, postback_id)
        except NoPostback as fault:
            raise _none(request, fault) from None
    return page(
        request,
        "flow_parked.html",
        flow_id=flow_id,
        postback_id=postback_id,
        link=_link(request),
        flow_link=flow_link(flow_id),
        log_link=address(LOG, (("flow", flow_id), ("postback", postback_id), ("outcome", "parked"))),
        kept=len(kept),
        late=overdue_in(web_role, kept),
        ends=[_end(kept[0]), _end(kept[-1])] if kept else [],
        since=_moment(shown["state"].since) if shown["state"] is not None else None,
        running=running,
        rate=f"{RATE_PER_S:g}",
        edits=asker_in(request).may("editor"),
        most=_MOST_PREVIEWED,
        **shown,
    )


def _end(kept: Kept) -> dict[str, Any]:
    """The oldest or newest kept request."""
    request = kept.request
    return {
        "lead_id": kept.lead_id,
        "event": request.origin.event,
        "at": _moment(kept.requested_at),
        "request_id": request.request_id,
        "attempts": request.attempts,
    }


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


async def _preview(web_role: Web, kept: list[Kept]) -> dict[str, Any]:
    """What rendering anew would change in the oldest that are kept."""
    looked = kept[:_MOST_PREVIEWED]
    anew = await rendered_anew(web_role, looked)
    return {
        "looked": len(looked),
        "differing": anew.differing,
        "faults": anew.faults[:10],
        "staying": len(anew.faults),
        "differences": [(title, [_line(line) for line in lines]) for title, *lines in anew.differences],
    }


def _line(line: str) -> Line:
    return Line("added" if line.startswith("+") else "removed", line[2:])
