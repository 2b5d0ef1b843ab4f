"""Names, addresses and the guard, as the courier meets them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from app.kit.secrets import Secrets
from app.messages.request import Delivery
from app.outbound.answers import Answer, Failure
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.names import NAME_THREADS
from tests.names import CLOSED_HOSTS, Names
from tests.outbound import LOOPBACK, request
from tests.receivers import Receiver, answer

_TLS = tls_context()


def _courier(addresses_of: Callable[[str], list[str]], guard: Guard = LOOPBACK) -> Courier:
    return Courier(Secrets({}), guard.open_socket, resolver=Names(addresses_of))


@pytest.mark.parametrize("host", CLOSED_HOSTS)
async def test_an_address_that_is_not_allowed_is_blocked_however_it_is_written(host: str) -> None:
    async with Receiver() as receiver, Courier(Secrets({}), Guard().open_socket, tls=_TLS) as courier:
        failure = await courier.send(request(f"http://{host}:{receiver.port}/"))
        assert receiver.connections == 0
    assert isinstance(failure, Failure)
    assert failure.kind == "blocked"
    assert failure.text.startswith("address ")
    assert " is not allowed (" in failure.text


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["10.0.0.1", "169.254.169.254"], ["fd00::1", "10.0.0.1"]]
)
async def test_a_name_whose_every_address_is_refused_is_blocked(addresses: list[str]) -> None:
    async with _courier(lambda _: addresses) as courier:
        failure = await courier.send(request("http://t.example/"))
    assert isinstance(failure, Failure)
    assert failure.kind == "blocked"
    assert failure.text.startswith(f"address {addresses[0]} is not allowed")


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["fd00::1", "10.0.0.1", "127.0.0.1"]],
)
async def test_of_a_names_addresses_only_the_allowed_are_used(addresses: list[str]) -> None:
    async with Receiver(answer(200)) as receiver, _courier(lambda _: addresses) as courier:
        said = await courier.send(request(f"http://t.example:{receiver.port}/"))
        assert receiver.connections == 1
    assert isinstance(said, Answer)


async def test_an_allowed_address_that_does_not_answer_is_no_block_and_comes_again() -> None:
    async with Receiver() as receiver:
        port = receiver.port
    async with _courier(lambda _: ["10.0.0.1", "127.0.0.1"]) as courier:
        failure = await courier.send(request(f"http://t.example:{port}/"))
    assert isinstance(failure, Failure)
    assert failure.kind == "connect"


async def test_a_name_that_turns_to_a_private_address_later_is_blocked_then() -> None:
    """DNS rebinding: the guard looks at each connection's address, not at the name."""
    now: list[str] = ["127.0.0.1"]
    async with Receiver(answer(200, b"", [("Connection", "close")])) as receiver:
        async with _courier(lambda _: now) as courier:
            link = f"http://t.example:{receiver.port}/"
            assert isinstance(await courier.send(request(link)), Answer)
        now[:] = ["10.0.0.1"]
        async with _courier(lambda _: now) as courier:
            failure = await courier.send(request(link))
    assert isinstance(failure, Failure)
    assert failure.kind == "blocked"


async def test_a_resolver_that_gives_no_address_but_a_name_is_blocked() -> None:
    async with _courier(lambda _: ["localhost"]) as courier:
        failure = await courier.send(request("http://t.example/"))
    assert isinstance(failure, Failure)
    assert failure.kind == "blocked"


async def test_a_name_that_does_not_resolve_is_told() -> None:
    def nothing(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with _courier(nothing) as courier:
        failure = await courier.send(request("http://t.example/?access_token=t0ken"))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == ("dns", "the name does not resolve: Name or service not known")


@pytest.mark.parametrize("host", ["nothing-here.invalid", "a" * 70 + ".invalid"])
async def test_the_systems_own_name_service_says_no(host: str) -> None:
    async with Courier(Secrets({}), LOOPBACK.open_socket) as courier:
        failure = await courier.send(request(f"http://{host}/"))
    assert isinstance(failure, Failure)
    assert failure.kind == "dns"


async def test_a_lookup_that_hangs_ends_with_the_deadline() -> None:
    class Hanging(Names):
        async def resolve(self, *_: Any, **__: Any) -> list[ResolveResult]:
            await asyncio.Event().wait()
            return []

    resolver = Hanging(lambda _: [])
    async with Courier(Secrets({}), LOOPBACK.open_socket, resolver=resolver) as courier:
        failure = await courier.send(request("http://t.example/", delivery=Delivery(timeout_s=0.2)))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == ("timeout", "the name was not resolved within 0.2 s")


async def test_dead_name_servers_of_some_hosts_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real, released = socket.getaddrinfo, threading.Event()

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        if bytes(host).startswith(b"dead"):
            released.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with Receiver(answer(200)) as receiver, Courier(Secrets({}), LOOPBACK.open_socket) as courier:
        short = Delivery(timeout_s=0.2)
        dead = [request(f"http://dead{n}.example/", delivery=short) for n in range(NAME_THREADS - 1)]
        # Twice: a second request for a host waits for the same lookup, not for a thread of its own.
        waiting = [asyncio.create_task(courier.send(one)) for one in dead * 2]
        await asyncio.sleep(0)
        said = await courier.send(request(f"http://localhost:{receiver.port}/"))
        failures = await asyncio.gather(*waiting)
        released.set()
    assert isinstance(said, Answer)
    assert {one.kind for one in failures if isinstance(one, Failure)} == {"timeout"}
