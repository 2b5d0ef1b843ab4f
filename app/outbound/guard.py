"""Is this address allowed? Asked for the final address of every connection, at the socket.

A flow's link comes from whoever may edit flows, and a name may resolve to anything at any time, so the
check stands where the socket is made: after name resolution, before the connection, once for each
address. A name with some allowed addresses is reached through those. Anything that is not understood
is refused. IPv6 forms that carry an IPv4 address are judged by the address they carry.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TypeAlias

IPv4: TypeAlias = ipaddress.IPv4Address
IPv6: TypeAlias = ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
AddrInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
OpenSocket: TypeAlias = Callable[[AddrInfo], socket.socket]

# IANA's special-purpose registries (RFC 6890 and later), written out because what Python's `ipaddress`
# calls private changes between its patch releases.
_CLOSED_4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud metadata",  # Azure's, the one that is a public address
    "169.254.0.0/16": "link-local, cloud metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved for protocols, cloud metadata",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_CLOSED_6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "64:ff9b:1::/48": "local NAT64",
    "2001::/23": "reserved for protocols",
    "2001:db8::/32": "for documentation",
    "3fff::/20": "for documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
}
_closed_4 = [(ipaddress.IPv4Network(text), why) for text, why in _CLOSED_4.items()]
_closed_6 = [(ipaddress.IPv6Network(text), why) for text, why in _CLOSED_6.items()]
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out

# Where an IPv6 address carries an IPv4 one: the network, and by how many bits it stands from the right.
_CARRIERS = [
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible (RFC 4291)
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped (RFC 4291)
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated (RFC 2765)
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4 (RFC 3056)
]
_TEREDO = ipaddress.IPv6Network("2001::/32")  # RFC 4380: its server, and its client with all bits turned


class AddressBlocked(OSError):
    """An address that postbacks are not sent to. `POSTBACKS_ALLOW_NETWORKS` opens networks."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(errno.EACCES, f"address {address} is not allowed ({why})")
        self.address = address
        self.why = why


class Connecting:
    """The way of one request to its receiver: the addresses that the guard refused, how many it let pass,
    whether a proxy is at work on one, and whether there is a connection, new or kept.
    """

    def __init__(self) -> None:
        self.blocked: list[AddressBlocked] = []
        self.opened = 0
        self.at_proxy = False
        self.connected = False


# The client library folds several addresses' errors into one text; this keeps what really happened.
connecting: ContextVar[Connecting | None] = ContextVar("connecting", default=None)


def refused(address: str, why: str) -> AddressBlocked:
    """The refusal of an address, noted for the request at hand."""
    refusal = AddressBlocked(address, why)
    if (seen := connecting.get()) is not None:
        seen.blocked.append(refusal)
    return refusal


def _unbound(info: AddrInfo) -> socket.socket:
    return socket.socket(*info[:3])


class Guard:
    """Refuses addresses of networks that are not the open internet, but for those that `allow` opens.

    `open_socket` makes the sockets that it lets pass.
    """

    def __init__(self, allow: Iterable[Network] = (), open_socket: OpenSocket = _unbound) -> None:
        self._allow = tuple(allow)
        self._open_socket = open_socket

    def why_not(self, text: str) -> str | None:
        """Why the address in `text` is refused; None when it is allowed."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return "not an address"
        return self._why_not(address)

    def open_socket(self, info: AddrInfo) -> socket.socket:
        """A new socket for the address in `info`, in the shape of `socket.getaddrinfo`.

        Raises `AddressBlocked` for a refused address, and `OSError` when no socket can be had.
        """
        self.check(str(info[4][0]))
        return self._open_socket(info)

    def check(self, address: str) -> None:
        """Note for the request at hand whether it may connect to `address`.

        Raises `AddressBlocked` when it may not.
        """
        if (why := self.why_not(address)) is not None:
            raise refused(address, why)
        if (seen := connecting.get()) is not None:
            seen.opened += 1

    def _why_not(self, address: IPv4 | IPv6) -> str | None:
        if any(address in network for network in self._allow):
            return None
        if isinstance(address, IPv4):
            return next((why for network, why in _closed_4 if address in network), None)
        carried = list(_carried(address))
        if carried:
            refusals = (self._why_not(inner) for inner in carried)
            return next((f"it carries an IPv4 address: {why}" for why in refusals if why), None)
        if (why := next((why for network, why in _closed_6 if address in network), None)) is not None:
            return why
        return None if address in _GLOBAL_UNICAST else "reserved"


def _carried(address: IPv6) -> Iterator[IPv4]:
    """The IPv4 addresses inside an IPv6 address; `::` and `::1` carry none."""
    bits = int(address)
    if bits <= 1:
        return
    for network, shift in _CARRIERS:
        if address in network:
            yield IPv4((bits >> shift) & 0xFFFF_FFFF)
    if address in _TEREDO:
        yield IPv4((bits >> 64) & 0xFFFF_FFFF)
        yield IPv4(~bits & 0xFFFF_FFFF)
