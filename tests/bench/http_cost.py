"""What a request costs on our HTTP path, beside aiohttp's public client: `python -m tests.bench.http_cost`.

Both send the same requests to the same receiver, 64 at a time over kept connections, and read the answers.
Ours fills a secret's slot, asks the address guard at each connection and keeps what the log shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import uvloop

from app.kit.secrets import Secrets
from app.outbound.answers import Answer
from app.outbound.courier import Courier
from app.templates.text import Slot, Text
from tests.bench.least import table
from tests.bench.sinks import Receiver, receiver
from tests.outbound import LOOPBACK, request

_REQUESTS = 5_000
_AT_ONCE = 64
_AUTHORIZED: dict[str, Text] = {"Authorization": ["Bearer ", Slot("S", "header")]}
_ROUNDS = 5
_UA = "Mozilla/5.0%20%28iPhone%3B%20CPU%20iPhone%20OS%2017_5%20like%20Mac%20OS%20X%29"
Send = Callable[[str], Awaitable[None]]


async def _spent_us(send: Send, links: list[str]) -> float:
    """CPU µs of this process for one request."""
    todo = iter(links)

    async def one_after_another() -> None:
        for link in todo:
            await send(link)

    began = time.process_time()
    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))
    return (time.process_time() - began) / len(links) * 1e6


async def _measured(sink: Receiver) -> dict[str, float]:
    links = [
        sink.link(f"id=c{n:08d}&click=k-{n}-9d3f2a&status=new&ip=203.0.113.7&ua={_UA}")
        for n in range(_REQUESTS)
    ]
    secrets = Secrets({"POSTBACKS_SECRET_S": "hush"})
    async with Courier(secrets, LOOPBACK.open_socket) as courier, aiohttp.ClientSession() as session:
        senders = {"ours": _ours(courier), "aiohttp's public client": _public(session)}
        least = dict.fromkeys(senders, float("inf"))
        for _ in range(_ROUNDS):
            for name, send in senders.items():
                least[name] = min(least[name], await _spent_us(send, links))
    return least


def _ours(courier: Courier) -> Send:
    async def send(link: str) -> None:
        assert isinstance(await courier.send(request(link, headers=_AUTHORIZED)), Answer)

    return send


def _public(session: aiohttp.ClientSession) -> Send:
    async def send(link: str) -> None:
        async with session.get(link, headers={"Authorization": "Bearer hush"}) as response:
            await response.read()

    return send


def main() -> str:
    """The table, µs of CPU a request."""
    with receiver() as sink:
        found: dict[str, float] = uvloop.run(_measured(sink))
    ratio = found["ours"] / found["aiohttp's public client"]
    return table([*found.items(), ("ours, × aiohttp's", ratio)])


if __name__ == "__main__":
    print(main())
