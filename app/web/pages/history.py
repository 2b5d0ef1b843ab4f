"""A flow's versions as LOG stored them: what each changed, and one brought back."""

from __future__ import annotations

from aiohttp import web

from app.flows.config import FlowFault
from app.flows.layout import written
from app.queries.flows import Version, flow_version, versions_of_flow
from app.web.api.tokens import without_tokens
from app.web.context import asker_in, web_of
from app.web.flows.difference import Line, difference
from app.web.flows.draft import value_of
from app.web.pages.links import flow_link
from app.web.problem import Problem
from app.web.render import page
from app.web.saving import Conflict, Expected, save_flow
from app.web.texts import say

_MOST = 100


async def history(request: web.Request) -> web.Response:
    """The versions, newest first, each with what it changed of the one before."""
    web_role, flow_id = web_of(request), request.match_info["id"]
    client = await web_role.clickhouse()
    found = await versions_of_flow(client, flow_id, limit=_MOST + 1)
    stored = web_role.flows.get(flow_id)
    if not found and stored is None:
        raise Problem(404, say("flow.none", id=flow_id))
    edits = asker_in(request).may("editor")
    texts = [_text(one, edits) for one in found]
    entries = [(one, _changed(texts, at), at + 1 < len(found)) for at, one in enumerate(found[:_MOST])]
    return page(
        request,
        "flow_history.html",
        flow_id=flow_id,
        flow_link=flow_link(flow_id),
        entries=entries,
        now=None if stored is None else stored.version,
        edits=edits,
        unread=stored is not None and (not found or found[0].version < stored.version),
    )


def _text(version: Version, edits: bool) -> str:
    text = version.value.decode("utf-8", "replace")
    return text if edits or version.deleted else written(without_tokens(value_of(text)), "")


def _changed(texts: list[str], at: int) -> list[Line]:
    return difference(texts[at + 1] if at + 1 < len(texts) else "", texts[at])


async def bring_back(request: web.Request) -> web.Response:
    """Save the text of an old version as a new one, unless somebody changed the flow in the meantime."""
    web_role, flow_id, form = web_of(request), request.match_info["id"], await request.post()
    version, now = str(form.get("version", "")), str(form.get("now", ""))
    if not version.isdecimal():
        raise Problem(422, say("history.which"))
    client = await web_role.clickhouse()
    found = await flow_version(client, flow_id, int(version))
    if found is None:
        raise Problem(404, say("history.none", version=version))
    expected = Expected(frozenset({int(now)}) if now.isdecimal() else frozenset())
    try:
        await save_flow(web_role, flow_id, found.value, expected)
    except FlowFault as fault:
        raise Problem(422, say("history.refused", why=fault)) from None
    except Conflict as conflict:
        raise Problem(409, say("history.conflict", why=conflict)) from None
    raise web.HTTPSeeOther(f"{flow_link(flow_id)}?done=brought")
