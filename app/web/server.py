"""One HTTP port a process: `/metrics`, `/healthz` and `/readyz`.

Alive means that it answers: a process whose role has ended ends itself. Ready means that each role holds
what it needs to do its work.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

Missing = Callable[[], list[str]]
"""What is missing, a line each: empty when all is well."""


def new_server(waits_for: Missing) -> web.Application:
    """The pages of a worker; `waits_for` answers for its readiness."""

    async def healthz(request: web.Request) -> web.Response:
        return _answer([])

    async def readyz(request: web.Request) -> web.Response:
        return _answer(waits_for())

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    return application


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
