"""The conformance vectors as requests on the wire: whom they reach, and what must arrive there.

A vector's host stands on loopback here: `Everywhere` answers for every name, an authority of the test's own
signs its certificate, and `open_anywhere` leads a literal address there too. Nothing else differs from
production, and `differences` compares request line, Host, headers and body as bytes.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from app.outbound.connections import tls_context
from app.outbound.guard import AddrInfo
from tests.receivers import Received, Receiver, answer

VECTORS = Path(__file__).parent / "vectors" / "templates.jsonl"
OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Length")


@dataclass(frozen=True)
class Vector:
    """One vector that renders to a request: its input, and the request that must come out."""

    name: str
    given: Mapping[str, Any]
    expect: Mapping[str, Any]

    @property
    def template(self) -> str:
        return str(self.given["template"])

    @property
    def event(self) -> Mapping[str, Any]:
        return dict(self.given.get("event") or {})

    @property
    def now_ms(self) -> int:
        return round(float(self.given["now"]) * 1000)

    @property
    def headers(self) -> Mapping[str, str]:
        return dict(self.given.get("headers") or {})

    @property
    def secrets(self) -> Mapping[str, str]:
        return dict(self.given.get("secrets") or {})

    @property
    def url(self) -> str:
        return str(self.expect["url"])


def vectors() -> Iterator[Vector]:
    """Those of the conformance vectors that can be sent."""
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        if "url" in given["expect"]:
            yield Vector(given["name"], given, given["expect"])


def differences(vector: Vector, received: Received) -> list[str]:
    """What arrived otherwise than the vector says; empty when every byte is as it must be."""
    authority, target = _split(vector.url)
    told = []
    if received.line != (wanted := f"{vector.expect['method']} {target} HTTP/1.1".encode()):
        told.append(f"request line {received.line!r}, not {wanted!r}")
    if received.body != (body := (vector.expect["body"] or "").encode()):
        told.append(f"body {received.body!r}, not {body!r}")
    wanted_headers = [(b"Host", authority.encode()), *_headers(vector)]
    own = [pair for pair in received.headers if pair[0].decode() not in OURS or pair in wanted_headers]
    if sorted(own) != sorted(wanted_headers):
        told.append(f"headers {own!r}, not {wanted_headers!r}")
    if (length := received.header(b"Content-Length")) != _length(vector):
        told.append(f"Content-Length {length!r}, not {_length(vector)!r}")
    return told


def _split(url: str) -> tuple[str, str]:
    rest = url.partition("://")[2]
    authority = rest.partition("/")[0]
    return authority, rest.removeprefix(authority)


def _headers(vector: Vector) -> list[tuple[bytes, bytes]]:
    told = dict(vector.expect.get("headers") or {})
    if vector.expect["content_type"] is not None:
        told.setdefault("Content-Type", vector.expect["content_type"])
    return [(name.encode(), value.encode()) for name, value in told.items()]


def _length(vector: Vector) -> bytes | None:
    body = vector.expect["body"]
    return None if body is None else str(len(body.encode())).encode()


class Everywhere(AbstractResolver):
    """A name service that has every host on loopback, each port of `ports` behind another."""

    def __init__(self, ports: Mapping[int, int]) -> None:
        self._ports = ports

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        at = self._ports.get(port, port)
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=at, family=socket.AF_INET, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        pass


class Stand:
    """Receivers for the hosts of many vectors: `tls`, `resolver` and `open_socket` are for the sender."""

    def __init__(self, urls: list[str]) -> None:
        parts = [urlsplit(url) for url in urls]
        self._ports = {(part.scheme, part.port or (443 if part.scheme == "https" else 80)) for part in parts}
        self._receivers: dict[int, Receiver] = {}
        self._stack = AsyncExitStack()
        authority = trustme.CA()
        names = sorted({part.hostname or "" for part in parts if part.scheme == "https"})
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if names:
            authority.issue_cert(*names).configure_cert(self._server_tls)
        self.tls = tls_context()
        authority.configure_trust(self.tls)

    async def __aenter__(self) -> Stand:
        for scheme, port in sorted(self._ports):
            receiver = Receiver(answer(200), tls=self._server_tls if scheme == "https" else None)
            self._receivers[port] = await self._stack.enter_async_context(receiver)
        self.resolver = Everywhere({port: there.port for port, there in self._receivers.items()})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def received(self) -> list[Received]:
        """Everything that arrived, at whichever port."""
        return [seen for receiver in self._receivers.values() for seen in receiver.requests]

    def open_socket(self, info: AddrInfo) -> socket.socket:
        """A guard that lets everything pass and leads literal addresses to loopback as well."""
        family, kind, protocol, _, target = info
        there = self._receivers.get(target[1])
        if there is None or target[0] == "127.0.0.1":
            return socket.socket(family, kind, protocol)
        loopback = "::ffff:127.0.0.1" if family == socket.AF_INET6 else "127.0.0.1"
        return _Led(family, kind, protocol).to(loopback, there.port)


class _Led(socket.socket):
    """A socket that connects elsewhere than it is told."""

    def to(self, host: str, port: int) -> _Led:
        self._there = (host, port)
        return self

    def connect(self, address: Any) -> None:
        super().connect(self._there)
