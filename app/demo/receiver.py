"""The demo's receiver of postbacks: on loopback, it answers as the first part of the path says.

| path begins with | answer |
| --- | --- |
| `/200/` | 200 |
| `/503-then-200/` | 503, and 200 when the request comes again |
| `/429-then-200/` | 429 with `Retry-After`, and 200 when the request comes again |
| `/200-with-error/` | 200 with a refusal in the body |
| `/slowly/` | 200 after a while |
| `/never/` | none |

Each has an address of its own, 127.0.0.1, 127.0.0.2 and on, where the machine has those: a postback sender
limits and slows down by host, and one bad receiver must not be all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from app.demo.arrival import Arrival, fields_of

SLOWLY_S = 1.5
RETRY_AFTER_S = 2
_NEVER_S = 3600.0


@dataclass
class Receiver:
    """`addresses` is `host:port` by how it answers; `arrivals` are by the header `X-Request-Id`."""

    addresses: dict[str, str] = field(default_factory=dict)
    arrivals: dict[str, Arrival] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        """Note a request, and answer it as its path says."""
        answering = _ANSWERS.get(request.match_info["how"])
        if answering is None:
            raise web.HTTPNotFound(text=f"the path begins with one of {', '.join(_ANSWERS)}\n")
        fields = fields_of(request.query_string, request.content_type, await request.read())
        arrival = self.arrivals.setdefault(request.headers.get("X-Request-Id", ""), Arrival(fields))
        arrival.times += 1
        response, accepted = await answering(arrival.times)
        arrival.accepted += accepted
        return response


Answering = Callable[[int], Awaitable[tuple[web.Response, bool]]]
"""The answer to a request that came for the n-th time, and whether it accepts it."""


async def _ok(times: int) -> tuple[web.Response, bool]:
    return web.json_response({"status": "ok"}), True


async def _busy_first(times: int) -> tuple[web.Response, bool]:
    return await _ok(times) if times > 1 else (web.Response(status=503, text="restarting\n"), False)


async def _throttling_first(times: int) -> tuple[web.Response, bool]:
    if times > 1:
        return await _ok(times)
    return web.Response(status=429, text="slow down\n", headers={"Retry-After": str(RETRY_AFTER_S)}), False


async def _refusing(times: int) -> tuple[web.Response, bool]:
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}
    return web.json_response(refusal), False


async def _slowly(times: int) -> tuple[web.Response, bool]:
    await asyncio.sleep(SLOWLY_S)
    return await _ok(times)


async def _never(times: int) -> tuple[web.Response, bool]:
    await asyncio.sleep(_NEVER_S)
    return web.Response(status=504), False


_ANSWERS: dict[str, Answering] = {
    "200": _ok,
    "503-then-200": _busy_first,
    "429-then-200": _throttling_first,
    "200-with-error": _refusing,
    "slowly": _slowly,
    "never": _never,
}
HOWS = tuple(_ANSWERS)


@contextlib.asynccontextmanager
async def serve() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of loopback. Raises `OSError`."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{how}/{rest:.*}", receiver.answer)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for index, how in enumerate(_ANSWERS):
            receiver.addresses[how] = await _listen(runner, f"127.0.0.{index + 1}")
        yield receiver
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str) -> str:
    """Listen on a free port of `host`, or of 127.0.0.1 where the machine has no such address."""
    try:
        await web.TCPSite(runner, host, 0).start()
    except OSError:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[-1]
    return f"{host}:{port}"
