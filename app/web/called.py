"""`GET|POST /in/{token}`: a call of a network becomes a lead event, answered `ok` once Kafka has it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from app.web.api.events import write_events
from app.web.context import Web, web_of
from app.web.gate import for_role
from app.web.inbound import WrongCall, event_of
from app.web.problem import Problem


def routes(application: web.Application) -> None:
    """Add the address. HEAD is none of its methods: a link that is only looked at makes no event."""
    application.router.add_get("/in/{token}", take_call, allow_head=False)
    application.router.add_post("/in/{token}", take_call)


@for_role("nobody")
async def take_call(request: web.Request) -> web.Response:
    """Take a call; its parameters may stand in the query, in a form, or in both."""
    web_role = web_of(request)
    mapped = web_role.inbound.find(request.match_info["token"])
    if mapped is None:
        raise Problem(404, "there is nothing at this address")
    _refuse_early(web_role)
    try:
        event = event_of(mapped, await _parameters(request))
    except WrongCall as fault:
        raise Problem(422, str(fault)) from None
    await write_events(web_role, [event])
    return web.Response(text="ok\n")


def _refuse_early(web_role: Web) -> None:
    if missing := web_role.waits_for():
        raise Problem(503, f"it is starting: {', '.join(missing)}", headers={"Retry-After": "1"})


async def _parameters(request: web.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    async for name, value in _told(request):
        if found.setdefault(name, value) != value:
            raise WrongCall(f"{name}: it stands twice, with different values")
    return found


async def _told(request: web.Request) -> AsyncIterator[tuple[str, str]]:
    for name, value in request.query.items():
        yield name, value
    if request.method == "POST" and request.content_type in (
        "application/x-www-form-urlencoded", "multipart/form-data",
    ):  # fmt: skip
        for name, field in (await request.post()).items():
            if isinstance(field, str):
                yield name, field
