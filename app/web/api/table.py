"""The one table of the API's routes: the server, the OpenAPI document and the tests read it."""

from __future__ import annotations

from aiohttp import web

from app.web.api.call import served
from app.web.api.events import LINES, send_events
from app.web.api.flows import list_flows, put_flow, remove_flow, show_flow
from app.web.api.leads import show_lead
from app.web.api.openapi import Route, document
from app.web.api.postbacks import list_postbacks, show_postback
from app.web.api.presets import list_presets
from app.web.api.preview import send_test, show_preview
from app.web.api.replay import replay
from app.web.api.states import set_state
from app.web.api.stats import show_stats
from app.web.gate import for_role

_JSON = "application/json"

ROUTES = (
    Route(
        "POST", "/api/lead-events", send_events, "editor", status=202, refuses=(422,),
        reads={_JSON: "LeadEvents", **dict.fromkeys(LINES, "LeadEventLines")},
    ),
    Route("GET", "/api/flows", list_flows, "viewer"),
    Route("GET", "/api/flows/{flow_id}", show_flow, "viewer", refuses=(404,)),
    Route(
        "PUT", "/api/flows/{flow_id}", put_flow, "editor", also=(201,), refuses=(412, 422),
        reads={_JSON: "FlowConfig"}, headers=("If-Match", "If-None-Match"),
    ),
    Route(
        "DELETE", "/api/flows/{flow_id}", remove_flow, "editor", status=204, refuses=(404, 412),
        headers=("If-Match",),
    ),
    Route("POST", "/api/preview", show_preview, "viewer", refuses=(422,), reads={_JSON: "PreviewAsked"}),
    Route("POST", "/api/test-send", send_test, "editor", refuses=(409, 422), reads={_JSON: "PreviewAsked"}),
    Route("GET", "/api/presets", list_presets, "viewer"),
    Route("GET", "/api/postbacks", list_postbacks, "viewer", refuses=(422, 504)),
    Route("GET", "/api/postbacks/{request_id}", show_postback, "viewer", refuses=(404, 504)),
    Route("POST", "/api/replay", replay, "editor", refuses=(409, 422, 504)),
    Route("POST", "/api/states", set_state, "editor", also=(202,), refuses=(404, 422, 504)),
    Route("GET", "/api/stats", show_stats, "viewer", refuses=(422, 504)),
    Route("GET", "/api/leads/{lead_id}", show_lead, "viewer", refuses=(404, 504)),
)  # fmt: skip


def routes(application: web.Application) -> None:
    """Add the API."""
    described = document(ROUTES)

    @for_role("nobody")
    async def openapi(request: web.Request) -> web.Response:
        return web.json_response(described)

    application.router.add_get("/api/openapi.json", openapi)
    for route in ROUTES:
        handler = for_role(route.role)(served(route.work))
        path = route.path.replace("}", ":[^/]+}")  # by itself {id} would match no braces
        application.router.add_route(route.method, path, handler)
