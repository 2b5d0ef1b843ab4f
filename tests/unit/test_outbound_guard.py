"""The address guard: only the open internet, whatever an address looks like."""

from __future__ import annotations

import errno
import ipaddress
import socket

import pytest

from app.outbound.guard import AddressBlocked, Connecting, Guard, connecting

_REFUSED = {
    "0.0.0.0": "this network",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "100.64.0.1": "NAT",
    "100.100.100.200": "NAT",  # Alibaba's metadata
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata",  # Azure's
    "169.254.169.254": "metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "metadata",  # Oracle's
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:169.254.169.254": "metadata",
    "::127.0.0.1": "loopback",
    "::10.0.0.1": "private",
    "::2": "this network",
    "::ffff:0:10.0.0.1": "private",
    "64:ff9b::10.0.0.1": "private",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b:1::1": "NAT64",
    "100::1": "reserved",
    "2001:0:7f00:1::1": "loopback",  # Teredo, its server
    "2001:0:808:808::80ff:fffe": "loopback",  # Teredo, its client: 127.0.0.1 with all bits turned
    "2001:10::1": "protocols",
    "2001:db8::1": "documentation",
    "2002:7f00:1::1": "loopback",  # 6to4
    "2002:c0a8:101::1": "private",
    "3fff::1": "documentation",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",  # Amazon's metadata
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "reserved",
    "ff02::1": "multicast",
    "localhost": "not an address",
    "127.1": "not an address",
    "0177.0.0.1": "not an address",
    "": "not an address",
}
_ALLOWED = (
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.1.1.1"),
    *("128.0.0.1", "168.63.129.15", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.1"),
    *("192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    *("2002:808:808::1", "2001:0:808:808::f7f7:f7f7"),
)


def _info(address: str, port: int = 80) -> tuple[int, int, int, str, tuple[object, ...]]:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


@pytest.mark.parametrize(("address", "why"), _REFUSED.items())
def test_an_address_outside_the_open_internet_is_refused_with_its_reason(address: str, why: str) -> None:
    told = Guard().why_not(address)
    assert told is not None
    assert why in told


@pytest.mark.parametrize("address", _ALLOWED)
def test_an_address_of_the_open_internet_is_allowed(address: str) -> None:
    assert Guard().why_not(address) is None


def test_an_opened_network_is_allowed_and_nothing_beside_it() -> None:
    guard = Guard([ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd12::/16")])
    assert guard.why_not("127.0.0.1") is None
    assert guard.why_not("::ffff:127.0.0.1") is None
    assert guard.why_not("fd12::1") is None
    assert guard.why_not("10.0.0.1") is not None
    assert guard.why_not("::1") is not None
    assert guard.why_not("fd13::1") is not None


def test_a_socket_is_made_for_an_allowed_address() -> None:
    with Guard().open_socket(_info("8.8.8.8")) as made:
        assert made.family == socket.AF_INET
        assert made.type == socket.SOCK_STREAM


def test_the_refusal_carries_the_address_and_reads_as_a_sentence() -> None:
    with pytest.raises(AddressBlocked) as caught:
        Guard().open_socket(_info("169.254.169.254"))
    assert caught.value.address == "169.254.169.254"
    assert caught.value.errno == errno.EACCES
    assert caught.value.strerror == "address 169.254.169.254 is not allowed (link-local, cloud metadata)"


def test_what_was_refused_and_let_pass_is_noted_for_the_request_at_hand() -> None:
    seen = Connecting()
    token = connecting.set(seen)
    try:
        with pytest.raises(AddressBlocked):
            Guard().open_socket(_info("::1"))
        Guard().open_socket(_info("1.1.1.1")).close()
    finally:
        connecting.reset(token)
    assert [refusal.address for refusal in seen.blocked] == ["::1"]
    assert seen.opened == 1
