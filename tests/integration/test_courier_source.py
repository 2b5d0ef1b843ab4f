"""The address that postbacks leave from, and how they go on when a host has several addresses."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from app.kit.process import StartFault
from app.kit.secrets import Secrets
from app.main import new_courier
from app.outbound.answers import Answer, Failure
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.source import Source
from app.settings import load
from tests.names import Names
from tests.outbound import LOOPBACK, request
from tests.receivers import Exchange, Receiver, answer

_ALLOWED = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
_IPV4 = Source([ipaddress.IPv4Address("127.0.0.5")])
_BOTH = Source([ipaddress.IPv4Address("127.0.0.5"), ipaddress.IPv6Address("::1")])


async def _say_who(exchange: Exchange) -> None:
    peer = exchange.writer.get_extra_info("peername")[0]
    await answer(200, peer.encode())(exchange)


async def _sent(source: Source, *addresses: str, host: str = "127.0.0.1", port: int = 0) -> Answer | Failure:
    guard = Guard(_ALLOWED, source.open_socket)
    async with (
        Receiver(_say_who, host=host) as receiver,
        Courier(Secrets({}), guard.open_socket, resolver=Names(lambda _: list(addresses))) as courier,
    ):
        return await courier.send(request(f"http://t.example:{port or receiver.port}/"))


@pytest.mark.parametrize(
    ("source", "host", "from_"),
    [(_IPV4, "127.0.0.1", b"127.0.0.5"), (_BOTH, "127.0.0.1", b"127.0.0.5"), (_BOTH, "::1", b"::1")],
)
async def test_a_postback_leaves_from_the_address_of_its_family(
    source: Source, host: str, from_: bytes
) -> None:
    said = await _sent(source, host, host=host)
    assert isinstance(said, Answer)
    assert said.body == from_


async def test_of_a_names_addresses_those_of_another_family_are_left_out() -> None:
    said = await _sent(_IPV4, "::1", "127.0.0.1")
    assert isinstance(said, Answer)
    assert said.body == b"127.0.0.5"


async def test_a_host_of_another_family_alone_is_told_and_comes_again() -> None:
    async with Receiver(host="::1") as receiver:
        failure = await _sent(_IPV4, "::1", port=receiver.port)
        assert receiver.connections == 0
    assert isinstance(failure, Failure)
    told = "no connection: POSTBACKS_SOURCE_ADDRESS serves none of its addresses"
    assert (failure.kind, failure.text) == ("connect", told)


@pytest.mark.parametrize("address", ["fd00::1", "10.0.0.1"])
async def test_the_guard_speaks_before_the_source_address(address: str) -> None:
    failure = await _sent(_IPV4, address)
    assert isinstance(failure, Failure)
    assert failure.kind == "blocked"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_is_taken_at_the_connection_and_not_before(family: socket.AddressFamily) -> None:
    """Else the ports of one address would be used up by all receivers together."""
    with _BOTH.open_socket((family, socket.SOCK_STREAM, 0, "", ("", 0))) as made:
        assert made.getsockname()[1] == 0


def test_an_address_that_is_not_this_machines_stops_the_start() -> None:
    settings = load({"POSTBACKS_WORKER": "w", "POSTBACKS_SOURCE_ADDRESS": "127.0.0.1,2001:db8::7"})
    with pytest.raises(StartFault) as raised:
        new_courier(settings, Secrets({}))
    assert str(raised.value).startswith(
        "POSTBACKS_SOURCE_ADDRESS: 2001:db8::7 cannot be bound on this machine ("
    )


async def test_of_a_hosts_addresses_four_of_each_family_are_tried_each_once_in_one_send() -> None:
    opened: list[str] = []

    def count(info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        opened.append(str(info[4][0]))
        return LOOPBACK.open_socket(info)

    addresses = ["127.0.0.1", "127.0.0.2", "::1", "127.0.0.3", "127.0.0.4"]
    others = [f"127.0.0.{number}" for number in range(5, 200)]
    async with Receiver() as receiver:
        port = receiver.port
    async with Courier(Secrets({}), count, resolver=Names(lambda _: addresses + others)) as courier:
        failure = await courier.send(request(f"http://t.example:{port}/"))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.text) == ("connect", "no connection: Connection refused")
    assert sorted(opened) == sorted(addresses)
