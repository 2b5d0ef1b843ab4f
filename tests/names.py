"""A name service of the tests' own, and hosts that lead to where no postback may go."""

from __future__ import annotations

import socket
from collections.abc import Callable

from aiohttp.abc import AbstractResolver, ResolveResult


class Names(AbstractResolver):
    """`addresses_of` says for each lookup what a host has now; `lookups` are the hosts asked for."""

    def __init__(self, addresses_of: Callable[[str], list[str]]) -> None:
        self._addresses_of = addresses_of
        self.lookups: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.lookups.append(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self._addresses_of(host)
        ]

    async def close(self) -> None:
        pass


CLOSED_HOSTS = (
    *(
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
    ),
    *("169.254.169.254", "168.63.129.16", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "0177.0.0.1", "0177.1", "127.1", "127.0.1", "0"),
    *("0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "127.0.0.1.", "127.0.0.1..", "2130706433."),
    *("１２７.0.0.1", "①②⑦.0.0.1", "127.0.0.1#@t.example", "t.example@127.0.0.1"),
    *(
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[::1%lo]",
        "[ff02::1]",
        "[fd00::1]",
    ),
    *(
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:169.254.169.254]",
        "[::127.0.0.1]",
        "[::ffff:0:10.0.0.1]",
    ),
    *("[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[2002:7f00:1::1]", "[2002:a9fe:a9fe::]"),
    *("[2001:0:7f00:1::1]", "[2001:0:808:808::80ff:fffe]", "[fd00:ec2::254]", "[2001:db8::1]"),
)
"""Each as it may stand in a link; saving a flow would refuse many of them before."""
