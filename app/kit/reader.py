"""Read settings one by one from a mapping; each reading names the setting that it refuses, and says why."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from app.kit.delays import delay_ms

PREFIX = "POSTBACKS_"
_MAX_DELAYS = 10
_MAX_DELAY_MS = 30 * 86_400_000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsFault(Exception):
    """A setting cannot be used; the text names it, says why and what would do."""


class Reader:
    """One mapping of variables; a blank one is not set. Each method raises `SettingsFault`.

    `names` are those that were asked for, without the prefix.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.names: set[str] = set()

    def text(self, name: str, default: str) -> str:
        self.names.add(name)
        return self._environ.get(f"{PREFIX}{name}", "").strip() or default

    def fault(self, name: str, value: str, why: str) -> SettingsFault:
        shown = "" if "@" in value else f"={value[:100]!r}"  # what has an @ may have a password before it
        return SettingsFault(f"{PREFIX}{name}{shown} cannot be used: {why}")

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise self.fault(name, value, f"it is one of {', '.join(allowed)}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if not _is_whole(value) or not least <= int(value) <= most:
            raise self.fault(name, value, f"it is a whole number from {least} to {most}")
        return int(value)

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise self.fault(name, text, f"it is a number of seconds from {least:g} to {most:g}")
        return value

    def delays(self, name: str, default: str) -> tuple[str, ...]:
        """Delays as they are written, each longer than the one before."""
        value = self.text(name, default)
        found = tuple(part.strip() for part in value.split(","))
        known = [0, *(delay_ms(part) or 0 for part in found)]
        rising = all(less < more <= _MAX_DELAY_MS for less, more in pairwise(known))
        if not rising or len(found) > _MAX_DELAYS:
            why = f"it is up to {_MAX_DELAYS} delays from 1s to 30d, the shortest first, such as {default}"
            raise self.fault(name, value, why)
        return found

    def name(self, name: str, default: str) -> str:
        """A name that may stand in a Kafka topic and be a folder."""
        value = self.text(name, default)
        if len(value) > 100 or not all(c.isascii() and (c.isalnum() or c in "._-") for c in value):
            raise self.fault(name, value, "it is up to 100 of A-Z a-z 0-9 . _ -")
        if not value.strip("."):
            raise self.fault(name, value, "dots alone are no name")
        return value

    def folder(self, name: str) -> Path | None:
        value = self.text(name, "")
        if value and not os.path.isdir(value):
            raise self.fault(name, value, "there is no such folder")
        return Path(value) if value else None

    def file(self, name: str) -> str:
        value = self.text(name, "")
        if value and not os.access(value, os.R_OK):
            raise self.fault(name, value, "there is no such file, or it may not be read")
        return value

    def address(self, name: str, host: str, port: int) -> tuple[str, int]:
        value = self.text(name, f"{host}:{port}")
        found_host, found_port = _host_and_port(value)
        if not found_host or not 0 <= found_port <= 65_535:
            raise self.fault(name, value, f"it is host:port, such as {host}:{port}")
        return found_host.strip("[]"), found_port

    def servers(self, name: str, default: str) -> str:
        value = self.text(name, default)
        servers = [server.strip() for server in value.split(",")]
        for server in servers:
            host, port = _host_and_port(server)
            if not host or not 1 <= port <= 65_535:
                raise self.fault(name, value, f"it is host:port,host:port, such as {default}")
        return ",".join(servers)

    def link(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not _names_a_database(value):
            # The value holds a password: it is not repeated.
            raise SettingsFault(
                f"{PREFIX}{name} cannot be used: it is http://user:password@host:8123/database, with the "
                "special characters of user and password as %XX"
            )
        return value

    def server(self, name: str) -> str:
        """The address of a server that speaks HTTP; empty without one."""
        value = self.text(name, "")
        if value and not _names_a_server(value):
            raise self.fault(name, value, "it is http://host:port, such as http://127.0.0.1:4318")
        return value

    def networks(self, name: str) -> tuple[Network, ...]:
        found = []
        for part in filter(None, (p.strip() for p in self.text(name, "").split(","))):
            try:
                found.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                raise self.fault(name, part, "it is networks such as 10.0.0.0/8,127.0.0.1") from None
        return tuple(found)

    def addresses(self, name: str) -> tuple[Address, ...]:
        """Addresses, at most one of IPv4 and one of IPv6."""
        told = self.text(name, "")
        try:
            found = [ipaddress.ip_address(part.strip()) for part in told.split(",")] if told else []
        except ValueError:
            found = []
        if told and len({address.version for address in found}) != len(told.split(",")):
            why = "it is an address of this machine such as 203.0.113.7, or one of IPv4 and one of IPv6"
            raise self.fault(name, told, f"{why}: 203.0.113.7,2001:db8::7")
        return tuple(found)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _host_and_port(text: str) -> tuple[str, int]:
    """Host and port; an empty host or port -1 where there is none."""
    host, _, port = text.rpartition(":")
    if any(c.isspace() or c in "/@" for c in host) or (":" in host and not host.startswith("[")):
        return "", -1
    return host, int(port) if _is_whole(port) else -1


def _names_a_server(link: str) -> bool:
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return False
    rest = parts.path.removesuffix("/") or parts.query or parts.fragment or parts.username
    return bool(parts.scheme in ("http", "https") and parts.hostname and port != 0 and not rest)


def _names_a_database(link: str) -> bool:
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return False
    database = parts.path.strip("/")
    named = parts.hostname and database and "/" not in database and port != 0
    return bool(named and parts.scheme in ("http", "https") and not parts.query and not parts.fragment)
