"""Logs, outgoing postbacks: the rows that meet the filters of the address, newest first, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from app.flows.written import EVENTS
from app.queries.filters import OUTCOMES, TAGS, FilterFault
from app.queries.log import Page, list_rows
from app.web.context import asker_in, web_of
from app.web.names import postbacks_of
from app.web.pages.links import LOG, lead_link, show_link
from app.web.pages.viewers import as_seen
from app.web.problem import Problem
from app.web.query import Pairs, address, filters_in, told
from app.web.render import page
from app.web.texts import say

PAGE_ROWS = 50
_SPANS = ("15m", "1h", "24h", "7d")
_FOLDED = ("host", "code", "click", "lead_flow", *TAGS)


async def outgoing(request: web.Request) -> web.Response:
    """One page of the log."""
    pairs: Pairs = ()
    found, fault, status = Page([], None), "", 200
    try:
        pairs = told(request.query.items(), besides=("before",))
        found = await _found(request, pairs)
    except (FilterFault, Problem) as error:
        fault, status = str(error), error.status if isinstance(error, Problem) else 400
        pairs = tuple((name, text) for name, text in request.query.items() if name != "before")
    return page(
        request,
        "log.html",
        status=status,
        rows=await as_seen(request, found.rows),
        fault=fault,
        empty=_empty(pairs, "before" in request.query, fault),
        older_link=address(LOG, pairs, before=found.next or "") if found.next else "",
        newest_link=address(LOG, pairs) if "before" in request.query else "",
        csv_link=address(f"{LOG}.csv", pairs),
        jsonl_link=address(f"{LOG}.jsonl", pairs),
        tail_link=address(f"{LOG}/live", pairs, since="", until=""),
        **_form(request, pairs),
        **links_in_rows(pairs),
    )


async def _found(request: web.Request, pairs: Pairs) -> Page:
    web_role = web_of(request)
    return await list_rows(
        await web_role.clickhouse(),
        filters_in(pairs, asker_in(request), web_role.now_ms()),
        limit=PAGE_ROWS,
        before=request.query.get("before") or None,
    )


def links_in_rows(pairs: Pairs) -> dict[str, Callable[..., str]]:
    """What the rows' template makes links with."""
    return {
        "only": lambda **more: address(LOG, pairs, **more),
        "lead_link": lead_link,
        "show_link": show_link,
    }


def _empty(pairs: Pairs, is_later: bool, fault: str) -> str:
    if fault:
        return fault
    if is_later:
        return say("log.empty_page")
    return say("log.empty_filtered") if pairs else say("log.empty")


def _form(request: web.Request, pairs: Pairs) -> dict[str, Any]:
    """What the form of filters shows: what was asked for, and what there is to ask for."""
    values = dict(pairs)
    names = postbacks_of({key: stored.config for key, stored in web_of(request).flows.items()})
    since = values.get("since", "")
    spans = [
        (say(f"log.span.{span}"), address(LOG, pairs, since=span, until=""), since == span) for span in _SPANS
    ]
    everything = (say("log.span.all"), address(LOG, pairs, since="", until=""), "since" not in values)
    return {
        "values": values,
        "spans": [*spans, everything],
        "outcomes": OUTCOMES,
        "asked_outcomes": {text for name, text in pairs if name == "outcome"},
        "tags": TAGS,
        "more_open": any(name in values for name in _FOLDED),
        "flows": sorted(names),
        "postbacks": sorted({postback for some in names.values() for postback in some}),
        "events": [event for event in EVENTS if event != "any"],
    }
