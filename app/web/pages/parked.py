"""One postback, parked or not: why, since when, what waits; park, release with its preview, discard.

A release runs on in this worker after its request was answered; its page asks how far it is. It may be ended
at any point, with the worker too, and run again: what is left in Kafka is what is left to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.flows.config import FlowFault, parse
from app.flows.flow import Flow
from app.kit.logs import logger
from app.log.refusal import shortened
from app.log.writer import ClickHouseFault
from app.messages.request import Request
from app.messages.state import Postback
from app.outbound.attempt import Rows
from app.outbound.kept import Kept, release_order
from app.outbound.policy import overdue
from app.outbound.release import ParkedPostback, Progress, Release, Rewrite
from app.outbound.release import discard as discard_kept
from app.queries.rerender import Rerender
from app.web.context import MAX_EXECUTION_S, Web, asker_in, web_of
from app.web.flows.difference import Line
from app.web.flows.releasing import Running
from app.web.pages.links import LOG, flow_link, parked_link
from app.web.problem import Problem
from app.web.query import address
from app.web.render import is_part, page
from app.web.texts import say

RELEASES: web.AppKey[dict[Postback, Running]] = web.AppKey("releases", dict)
"""The releases that this worker runs, and the last one of each postback."""
RATE_PER_S = 50.0
_LEAST_RATE, _MOST_RATE = 0.1, 10_000.0
_MOST_PREVIEWED = 1_000
_CHUNK = 500


async def parked(request: web.Request) -> web.Response:
    """The postback's page."""
    if is_part(request):
        return page(request, "_release.html", running=_running(request), link=_link(request))
    return await _page(request)


async def park(request: web.Request) -> web.Response:
    """Park it by hand."""
    flow_id, postback_id = _need_postback(request)
    why = str((await request.post()).get("why", "")).strip()
    async with _postback(request) as found:
        if not found.is_parked:
            await found.write_state("parked", why, _who(request))
    raise web.HTTPSeeOther(parked_link(flow_id, postback_id))


async def release(request: web.Request) -> web.Response:
    """Begin to let go what is kept; where one runs already, only show it."""
    form = await request.post()
    rate_per_s = _rate(str(form.get("rate", "")))
    running = _running(request)
    if running is None or running.is_over:
        begun = Running(0, rate_per_s)
        request.app[RELEASES][_names(request)] = begun
        web_of(request).go_on_with(_release(request, begun, anew=form.get("rerender") == "yes"))
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
    return request.app[RELEASES].get(_names(request))


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


def _need_postback(request: web.Request) -> Postback:
    """The postback's names. Raises `Problem` where there is none to park; in a broken flow any may be one."""
    flow_id, postback_id = _names(request)
    stored = web_of(request).flows.get(flow_id)
    if stored is None:
        raise Problem(404, say("flow.none", id=flow_id))
    flow = _parsed(stored.config, stored.version)
    if flow is not None and postback_id not in {one.id for one in flow.postbacks}:
        raise Problem(404, say("parked.none", flow=flow_id, id=postback_id))
    return flow_id, postback_id


def _parsed(config: bytes, version: int) -> Flow | None:
    try:
        return parse(config, version=version)
    except FlowFault:
        return None


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
        _need_postback(request)
    return page(
        request,
        "flow_parked.html",
        flow_id=flow_id,
        postback_id=postback_id,
        link=_link(request),
        flow_link=flow_link(flow_id),
        log_link=address(LOG, (("flow", flow_id), ("postback", postback_id), ("outcome", "parked"))),
        kept=len(kept),
        late=sum(overdue(one.request, web_role.now_ms()) is not None for one in kept),
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
    rewrite = await _rerender(web_role)
    for at in range(0, min(len(kept), _MOST_PREVIEWED), _CHUNK):
        await rewrite(kept[at : min(at + _CHUNK, _MOST_PREVIEWED)])
    return {
        "looked": min(len(kept), _MOST_PREVIEWED),
        "differing": rewrite.differing,
        "faults": rewrite.faults[:10],
        "staying": len(rewrite.faults),
        "differences": [(title, [_line(line) for line in lines]) for title, *lines in rewrite.differences],
    }


def _line(line: str) -> Line:
    return Line("added" if line.startswith("+") else "removed", line[2:])


async def _rerender(web_role: Web) -> Rerender:
    flows = {
        key: flow
        for key, stored in web_role.flows.items()
        if (flow := _parsed(stored.config, stored.version)) is not None
    }
    client = await web_role.clickhouse()
    return Rerender(web_role.settings, flows, web_role.secrets, client, max_execution_s=MAX_EXECUTION_S)


async def _as_kept(kept: Any) -> list[Request | None]:
    return [one.request for one in kept]


async def _release(request: web.Request, running: Running, *, anew: bool) -> None:
    """Run a release to its end; what ends it is told on its page."""
    web_role, names, by = web_of(request), _names(request), _who(request)

    def tell(progress: Progress) -> None:
        running.progress = progress

    try:
        rewrite: Rewrite = await _rerender(web_role) if anew else _as_kept
        async with ParkedPostback(web_role.settings, *names) as found:
            running.total = len(found.shelf.kept)
            run = Release(found, rate_per_s=running.rate_per_s, by=by, rewrite=rewrite, tell=tell)
            running.done = await run.run()
    except (KafkaError, ClickHouseError, ClickHouseFault) as error:
        running.fault = shortened(str(error)) or type(error).__name__
        logger().error("a release ended half-way", flow=names[0], postback=names[1], reason=running.fault)
    except Exception as error:
        running.fault = say("parked.mistake")
        logger().error("a release ended half-way", flow=names[0], postback=names[1], exc_info=error)
