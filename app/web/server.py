"""One HTTP port a process: `/metrics`, `/healthz` and `/readyz`.

Alive means that it answers: a process whose role has ended ends itself. Ready means that each role holds
what it needs to do its work. Both are open to whoever probes; the metrics name hosts of receivers, so
beyond loopback they need the bearer token of views.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

Missing = Callable[[], list[str]]
"""What is missing, a line each: empty when all is well."""


def new_server(waits_for: Missing, token: str) -> web.Application:
    """The pages of a worker; `waits_for` answers for its readiness. An empty `token` leaves all open."""

    async def healthz(request: web.Request) -> web.Response:
        return _answer([])

    async def readyz(request: web.Request) -> web.Response:
        return _answer(waits_for())

    async def metrics(request: web.Request) -> web.Response:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        told = given.encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
        if token and not hmac.compare_digest(told, token.encode()):
            return web.Response(status=401, text="send Authorization: Bearer with POSTBACKS_VIEW_TOKEN\n")
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    return application


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _answer(missing: list[str]) -> web.Response:
    if missing:
        return web.Response(status=503, text="".join(f"{line}\n" for line in missing))
    return web.Response(text="ok\n")


async def listen(application: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve on `host:port`; close with `runner.cleanup()`. Raises `OSError` when the port is taken."""
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
