"""Which address of this machine postbacks leave from.

Without addresses the system chooses. With them an outgoing socket is bound to the one of its family, and of
a family without one no socket is made.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress

from app.outbound.guard import AddrInfo, IPv4, IPv6

# Linux then chooses the port at the connection, where it need not be free towards every other receiver.
_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; in `socket` from Python 3.12 on


class Source:
    """Makes outgoing sockets from `addresses`, at most one of each family."""

    def __init__(self, addresses: Iterable[IPv4 | IPv6] = ()) -> None:
        self._addresses = {
            socket.AF_INET if isinstance(address, IPv4) else socket.AF_INET6: str(address)
            for address in addresses
        }

    def open_socket(self, info: AddrInfo) -> socket.socket:
        """A new socket for the address in `info`, bound. Raises `OSError` when it cannot be had."""
        family, kind, protocol, _, _ = info
        if not self._addresses:
            return socket.socket(family, kind, protocol)
        if (address := self._addresses.get(socket.AddressFamily(family))) is None:
            raise OSError(errno.EAFNOSUPPORT, "no source address of this family")
        return _bound(socket.socket(family, kind, protocol), address)

    def check(self) -> None:
        """Bind each address once. Raises `OSError` with the address in `filename`."""
        for family, address in self._addresses.items():
            try:
                _bound(socket.socket(family, socket.SOCK_STREAM), address).close()
            except OSError as error:
                raise OSError(error.errno, error.strerror, address) from error


def _bound(made: socket.socket, address: str) -> socket.socket:
    try:
        if sys.platform == "linux":
            with suppress(OSError):
                made.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        made.bind((address, 0))
    except OSError:
        made.close()
        raise
    return made
