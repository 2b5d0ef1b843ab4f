"""The courier on uvloop, which production runs: the same words for the same faults."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from app.kit.secrets import Secrets
from app.messages.request import Delivery
from app.outbound.answers import Answer, Failure
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from tests.outbound import LOOPBACK, request
from tests.receivers import Receiver, Script, answer, drip, flood, never, raw, reset
from tests.wire import Stand

_OK = b"HTTP/1.1 200 OK\r\n"


async def _told(script: Script, guard: Guard = LOOPBACK) -> str:
    async with Receiver(script) as receiver, Courier(Secrets({}), guard.open_socket) as courier:
        outcome = await courier.send(request(receiver.url(), delivery=Delivery(timeout_s=0.3)))
    return outcome.kind if isinstance(outcome, Failure) else f"{outcome.status} {len(outcome.body)}"


async def _over_tls() -> Answer | Failure:
    async with (
        Stand(["https://t.example/"]) as stand,
        Courier(Secrets({}), stand.open_socket, tls=stand.tls, resolver=stand.resolver) as courier,
    ):
        return await courier.send(request("https://t.example/"))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (answer(200, b"ok"), "200 2"),
        (raw(_OK + b"Content-Length: 2\r\n\r\nok and more"), "200 2"),
        (flood(_OK + b"\r\n", b"x" * 5_000), "200 65536"),
        (never(), "timeout"),
        (drip(_OK + b"Content-Length: 1000\r\n\r\n"), "timeout"),
        (raw(), "closed"),
        (reset(), "closed"),
        (raw(b"hello"), "malformed"),
        (raw(_OK + b"Content-Length: 100\r\n\r\nhalf"), "incomplete"),
        (raw(_OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n"), "incomplete"),
    ],
)
def test_answers_and_faults_are_told_as_on_asyncio(script: Script, told: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_told(script)) == told


def test_the_guard_and_tls_hold_there_too() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_told(answer(200), Guard())) == "blocked"
        assert isinstance(runner.run(_over_tls()), Answer)
