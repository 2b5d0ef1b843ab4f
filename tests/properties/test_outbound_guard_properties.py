"""For every address: what Python knows to be private is refused, however it is wrapped."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.secrets import Secrets
from app.outbound.answers import Failure
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from app.outbound.guard import AddrInfo, Guard
from tests.outbound import request

_v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
_near_private = st.sampled_from(
    ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4"]
).flatmap(
    lambda text: st.integers(
        int(ipaddress.IPv4Network(text)[0]) - 3, int(ipaddress.IPv4Network(text)[0]) + 3
    ).map(ipaddress.IPv4Address)
)
_v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)


def _wrapped(inner: ipaddress.IPv4Address) -> list[str]:
    bits = int(inner)
    return [
        str(ipaddress.IPv6Address(number))
        for number in (
            0xFFFF_0000_0000 | bits,  # mapped
            (0x64_FF9B << 96) | bits,  # NAT64
            (0x2002 << 112) | (bits << 80) | 1,  # 6to4
            (0x2001 << 112) | (0x0808_0808 << 64) | (bits ^ 0xFFFF_FFFF),  # Teredo's client
        )
    ]


@given(_v4 | _near_private)
def test_no_ipv4_address_that_is_not_global_is_allowed(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert Guard().why_not(str(address)) is not None


@given(_v6)
def test_no_ipv6_address_that_is_not_global_is_allowed(address: ipaddress.IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert Guard().why_not(str(address)) is not None


@given(_v4 | _near_private)
def test_an_ipv4_address_inside_an_ipv6_address_is_judged_like_the_bare_one(
    address: ipaddress.IPv4Address,
) -> None:
    bare = Guard().why_not(str(address)) is None
    for text in _wrapped(address):
        assert (Guard().why_not(text) is None) == bare, text


@given(_v4)
def test_an_address_is_allowed_when_its_network_is_opened(address: ipaddress.IPv4Address) -> None:
    guard = Guard([ipaddress.ip_network(f"{address}/32")])
    assert guard.why_not(str(address)) is None


def _spelled(address: int, cut: int, bases: list[int]) -> str:
    """An IPv4 address in one of `inet_aton`'s spellings: `cut` parts, the last one takes the rest."""
    parts = [(address >> shift) & 0xFF for shift in (24, 16, 8, 0)[: cut - 1]]
    parts.append(address & ((1 << (8 * (5 - cut))) - 1))
    written = {8: "0{:o}", 10: "{}", 16: "0x{:x}"}
    return ".".join(written[base].format(part) for part, base in zip(parts, bases, strict=False))


_TLS = tls_context()


async def _kind_of(host: str) -> str:
    def open_socket(info: AddrInfo) -> socket.socket:
        made = Guard().open_socket(info)
        made.close()
        raise AssertionError(f"{host} passed as {info[4]}")

    async with Courier(Secrets({}), open_socket, tls=_TLS) as courier:
        failure = await courier.send(request(f"http://{host}/"))
    assert isinstance(failure, Failure)
    return failure.kind


@given(
    st.sampled_from([0x7F000001, 0xA9FEA9FE, 0x0A000001, 0xC0A80101, 0xAC100001, 0]),
    st.integers(1, 4),
    st.lists(st.sampled_from([8, 10, 16]), min_size=4, max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_no_spelling_of_a_closed_address_reaches_a_socket(address: int, cut: int, bases: list[int]) -> None:
    host = _spelled(address, cut, bases)
    assert socket.inet_aton(host) == address.to_bytes(4, "big")
    assert asyncio.run(_kind_of(host)) == "blocked"
