"""The courier through a proxy: the guard sees each address, the proxy no name, and its faults are its own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable

import pytest
import trustme
import uvloop

from app.kit.secrets import Secrets
from app.messages.request import Delivery
from app.outbound.answers import Answer, Failure
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.source import Source
from app.outbound.tunnel import Proxy
from app.settings import ProxyLink
from tests.names import CLOSED_HOSTS, Names
from tests.outbound import LOOPBACK, request
from tests.proxies import ForwardProxy, way_through
from tests.receivers import Receiver, answer, never

_AUTHORITY = trustme.CA()
_TLS = tls_context()
_AUTHORITY.configure_trust(_TLS)


def _server_tls(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


def _courier(proxy: Proxy, *addresses: str, guard: Guard = LOOPBACK) -> Courier:
    names = Names(lambda host: ["127.0.0.1"] if host == "proxy.example" else list(addresses or ["127.0.0.1"]))
    return Courier(Secrets({}), guard.open_socket, proxy=proxy, tls=_TLS, resolver=names)


async def _refused(
    proxy: Proxy, *addresses: str, link: str = "http://t.example:9/?a=1", timeout_s: float = 5.0
) -> Failure:
    async with _courier(proxy, *addresses) as courier:
        failure = await courier.send(request(link, delivery=Delivery(timeout_s=timeout_s)))
    assert isinstance(failure, Failure)
    return failure


async def test_the_proxy_is_told_the_address_and_the_receiver_the_name() -> None:
    async with (
        Receiver() as receiver,
        ForwardProxy() as proxy,
        _courier(way_through(proxy.link())) as courier,
    ):
        said = await courier.send(request(f"http://t.example:{receiver.port}/a?b=%41"))
        (seen,) = receiver.requests
    assert isinstance(said, Answer)
    assert proxy.heads == [
        f"CONNECT 127.0.0.1:{receiver.port} HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\n\r\n".encode()
    ]
    assert seen.line == b"GET /a?b=%41 HTTP/1.1"
    assert seen.header(b"Host") == f"t.example:{receiver.port}".encode()
    assert seen.header(b"Proxy-Authorization") is None


async def _over_tls(proxy_tls: bool) -> None:
    served = _server_tls("proxy.example") if proxy_tls else None
    async with Receiver(tls=_server_tls("t.example")) as receiver, ForwardProxy(tls=served) as proxy:
        way = way_through(proxy.link("proxy.example"), tls=_TLS)
        async with _courier(way) as courier:
            for host, verdict in (("t.example", Answer), ("t.example.", Answer), ("other.example", Failure)):
                outcome = await courier.send(request(f"https://{host}:{receiver.port}/"))
                assert isinstance(outcome, verdict), outcome
    assert isinstance(outcome, Failure)
    assert outcome.kind == "tls"
    assert "not valid for 'other.example'" in outcome.text
    assert len(receiver.requests) == 2
    assert proxy.asked == [f"127.0.0.1:{receiver.port}".encode()] * 3


@pytest.mark.parametrize(
    ("new_loop", "proxy_tls"),
    [
        (asyncio.new_event_loop, False),
        (uvloop.new_event_loop, False),
        (uvloop.new_event_loop, True),  # asyncio's own cannot end a TLS in TLS that fails (gh-113214)
    ],
)
def test_tls_is_verified_against_the_name_behind_the_proxy(
    new_loop: Callable[[], asyncio.AbstractEventLoop], proxy_tls: bool
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_over_tls(proxy_tls))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_tunnel_is_kept_for_its_receiver_and_for_no_other(scheme: str) -> None:
    tls = _server_tls("t.example", "u.example") if scheme == "https" else None
    async with (
        Receiver(answer(200, b"x"), tls=tls) as first,
        Receiver(answer(200, b"x"), tls=tls) as second,
        ForwardProxy() as proxy,
        _courier(way_through(proxy.link())) as courier,
    ):
        for host, port in (
            ("t", first.port),
            ("t", first.port),
            ("t", second.port),
            ("u", first.port),
            ("t", first.port),
        ):
            assert isinstance(await courier.send(request(f"{scheme}://{host}.example:{port}/")), Answer)
    assert [seen.connection for seen in first.requests] == [1, 1, 2, 1]
    assert [seen.header(b"Host") for seen in first.requests][2] == f"u.example:{first.port}".encode()
    assert len(proxy.heads) == 3


async def test_nothing_is_sent_twice_when_a_tunnel_breaks() -> None:
    async with ForwardProxy() as proxy, _courier(way_through(proxy.link())) as courier:
        async with Receiver(answer(200, b"x"), never()) as receiver:
            link = f"http://t.example:{receiver.port}/"
            assert isinstance(await courier.send(request(link)), Answer)
            sending = asyncio.create_task(courier.send(request(link)))
            await receiver.arrived(2)
        failure = await sending
    assert isinstance(failure, Failure)
    assert failure.kind == "closed"
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("host", [*CLOSED_HOSTS, "t.example"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_no_way_around_the_guard(scheme: str, host: str) -> None:
    addresses_of = {"t.example": ["10.0.0.1", "fd00::1"]}
    async with ForwardProxy() as proxy:
        way, names = (
            way_through(proxy.link(), Guard()),
            Names(lambda name: addresses_of.get(name, ["127.0.0.1"])),
        )
        async with Courier(Secrets({}), Guard().open_socket, proxy=way, tls=_TLS, resolver=names) as courier:
            failure = await courier.send(request(f"{scheme}://{host}:9/"))
        assert proxy.heads == []
    assert isinstance(failure, Failure)
    assert failure.kind == "blocked"
    assert " is not allowed (" in failure.text


async def test_a_name_that_turns_private_is_not_asked_of_the_proxy() -> None:
    now: list[str] = ["127.0.0.1"]
    async with Receiver(answer(200, b"", [("Connection", "close")])) as receiver, ForwardProxy() as proxy:
        for addresses, expected in ((["127.0.0.1"], Answer), (["10.0.0.1"], Failure)):
            now[:] = addresses
            names = Names(lambda _: now)
            async with Courier(
                Secrets({}), LOOPBACK.open_socket, proxy=way_through(proxy.link()), resolver=names
            ) as courier:
                outcome = await courier.send(request(f"http://t.example:{receiver.port}/"))
            assert isinstance(outcome, expected)
        assert len(proxy.heads) == 1


async def test_of_a_names_addresses_the_proxy_hears_only_the_allowed_ipv4_first() -> None:
    async with Receiver() as receiver, ForwardProxy(dead=("127.0.0.9",)) as proxy:
        addresses = ("::1", "10.0.0.1", "127.0.0.9", "127.0.0.1")
        async with _courier(way_through(proxy.link()), *addresses) as courier:
            said = await courier.send(request(f"http://t.example:{receiver.port}/"))
    assert isinstance(said, Answer)
    assert proxy.asked == [f"{host}:{receiver.port}".encode() for host in ("127.0.0.9", "127.0.0.1")]


async def test_the_password_goes_to_the_proxy_alone() -> None:
    basic = b"Basic " + b64encode("mé:p:s€same".encode())
    async with Receiver(tls=_server_tls("t.example")) as receiver, ForwardProxy(needs=basic) as proxy:
        async with _courier(way_through(proxy.link(username="mé", password="p:s€same"))) as courier:
            assert isinstance(await courier.send(request(f"https://t.example:{receiver.port}/")), Answer)
        assert basic not in receiver.requests[0].head


_REFUSED = "the proxy refused to connect to 127.0.0.1:9: status"
_NONE = "what answers for the proxy is no HTTP proxy"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", f"{_REFUSED} 403"),
        (b"HTTP/1.0 502 Bad\r\nContent-Length: 5\r\n\r\nhello", f"{_REFUSED} 502"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", f"{_REFUSED} 302"),
        (b"HTTP/1.1 407 No\r\n\r\n", "the proxy refused our user or password (status 407): POSTBACKS_PROXY"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", _NONE),
        (b"HTTP/1.1 200\r\n" + b"X: " + b"a" * 70_000, _NONE),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "the proxy sent more than the answer to CONNECT"),
    ],
)
async def test_what_a_proxy_refuses_is_told_as_the_proxys(said: bytes, told: str) -> None:
    async with ForwardProxy(said) as proxy:
        failure = await _refused(way_through(proxy.link(username="me", password="sesame")))
    assert (failure.kind, failure.text) == ("proxy", told)
    assert failure.answer is None


async def test_each_allowed_address_is_asked_for_once_and_a_wrong_password_only_once() -> None:
    for said, count in ((b"HTTP/1.1 503 No\r\n\r\n", 3), (b"HTTP/1.1 407 No\r\n\r\n", 1)):
        async with ForwardProxy(said) as proxy:
            failure = await _refused(
                way_through(proxy.link()), "127.0.0.1", "127.0.0.2", "10.0.0.1", "127.0.0.3"
            )
            assert len(proxy.heads) == count
        assert failure.kind == "proxy"


async def test_a_proxy_that_is_down_is_told() -> None:
    async with ForwardProxy() as proxy:
        link = proxy.link()
    failure = await _refused(way_through(link))
    assert (failure.kind, failure.text) == ("proxy", "no connection to the proxy: Connection refused")


async def test_a_proxy_that_closes_is_told() -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        failure = await _refused(way_through(ProxyLink("http", "127.0.0.1", port)))
    assert (failure.kind, failure.text) == ("proxy", "the proxy closed the connection without an answer")


async def test_a_proxy_without_an_address_is_told() -> None:
    def addresses_of(host: str) -> list[str]:
        if host == "proxy.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["127.0.0.1"]

    way = way_through(ProxyLink("http", "proxy.example", 3128))
    async with Courier(Secrets({}), LOOPBACK.open_socket, proxy=way, resolver=Names(addresses_of)) as courier:
        failure = await courier.send(request("http://t.example/"))
    assert isinstance(failure, Failure)
    assert failure.kind == "proxy"
    assert failure.text == "the name of the proxy does not resolve: Name or service not known"


async def test_a_proxy_that_hangs_ends_with_the_deadline() -> None:
    async with ForwardProxy(None) as proxy:
        failure = await _refused(way_through(proxy.link()), timeout_s=0.3)
    assert (failure.kind, failure.text) == ("timeout", "the proxy made no connection within 0.3 s")


async def test_a_proxy_whose_certificate_is_not_believed_gets_no_password() -> None:
    async with ForwardProxy(tls=_server_tls("other.example")) as proxy:
        way = way_through(proxy.link("proxy.example", "me", "sesame"), tls=_TLS)
        failure = await _refused(way)
        assert proxy.heads == []
    assert failure.kind == "proxy"
    assert failure.text.startswith("the certificate of the proxy is refused: Hostname mismatch")
    async with ForwardProxy() as plain:
        link = ProxyLink("https", "127.0.0.1", plain.port)
        failure = await _refused(way_through(link, tls=_TLS), timeout_s=0.5)
    assert failure.kind in ("proxy", "timeout")


async def test_a_receiver_that_is_no_tls_behind_the_proxy_is_told_as_the_receivers() -> None:
    async with Receiver() as receiver, ForwardProxy() as proxy:
        failure = await _refused(
            way_through(proxy.link()), link=f"https://t.example:{receiver.port}/", timeout_s=0.5
        )
    assert failure.kind in ("tls", "timeout")


async def test_source_address_and_proxy_work_together_and_with_the_guard() -> None:
    source = Source([ipaddress.IPv4Address("127.0.0.3")])
    async with Receiver() as receiver, ForwardProxy() as proxy:
        async with _courier(way_through(proxy.link(), source=source)) as courier:
            assert isinstance(await courier.send(request(f"http://t.example:{receiver.port}/")), Answer)
            blocked = await courier.send(request("http://10.0.0.1/"))
        assert proxy.peers == ["127.0.0.3"]
    assert isinstance(blocked, Failure)
    assert blocked.kind == "blocked"
