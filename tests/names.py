"""A name service of the tests' own."""

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
