"""One HTTP port a process: `/metrics`, `/healthz`, `/readyz`; where the web role runs, its pages and API.

Alive means that it answers: a process whose role has ended ends itself. Ready means that each role holds
what it needs to do its work. Both are open to whoever probes; the metrics name hosts of receivers, so they
need the token of views where there is one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from app.web import called, pages
from app.web.api import table
from app.web.context import WEB, Web
from app.web.gate import TOKENS, for_role, gate, refusals_told, secured
from app.web.login import login, login_page, logout
from app.web.who import Tokens

MAX_BODY_BYTES = 8 * 1024 * 1024

Missing = Callable[[], list[str]]
"""What is missing, a line each: empty when all is well."""


def new_server(waits_for: Missing, tokens: Tokens, web_role: Web | None = None) -> web.Application:
    """What a worker serves; `waits_for` answers for its readiness, `web_role` for all but the probes."""

    @for_role("nobody")
    async def healthz(request: web.Request) -> web.Response:
        return _probe([])

    @for_role("nobody")
    async def readyz(request: web.Request) -> web.Response:
        return _probe(waits_for())

    application = web.Application(middlewares=[refusals_told, gate], client_max_size=MAX_BODY_BYTES)
    application.on_response_prepare.append(secured)
    application[TOKENS] = tokens
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", _metrics)
    if web_role is not None:
        _add_web(application, web_role)
    return application


def _add_web(application: web.Application, web_role: Web) -> None:
    application[WEB] = web_role
    application.router.add_get("/login", login_page)
    application.router.add_post("/login", login)
    application.router.add_post("/logout", logout)
    table.routes(application)
    called.routes(application)
    pages.routes(application)


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _probe(missing: list[str]) -> web.Response:
    if missing:
        return web.Response(status=503, text="".join(f"{line}\n" for line in missing))
    return web.Response(text="ok\n")


async def listen(
    application: web.Application, host: str, port: int, taken: socket.socket | None = None
) -> web.AppRunner:
    """Serve on `host:port`, or on a socket that listens there already; close with `runner.cleanup()`.

    Raises `OSError` when the port is taken.
    """
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await (web.TCPSite(runner, host, port) if taken is None else web.SockSite(runner, taken)).start()
    return runner
