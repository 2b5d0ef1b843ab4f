"""Settings: read once from the environment, checked, and passed on as one value.

Every field that is a time or a size has its unit in its name. A wrong setting stops the start with its
name and why (`SettingsFault`). Flags of the command line are merged into the mapping before `load`.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from app.topics import Topics, topics_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsFault(Exception):
    """A setting cannot be used; the text names it, says why and what would do."""


@dataclass(frozen=True)
class KafkaAuth:
    """How Kafka is reached: `protocol` is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True)
class Settings:
    """All settings of one process; the names are those of the environment in lower case."""

    kafka: str = "127.0.0.1:9092"
    kafka_auth: KafkaAuth = KafkaAuth()
    clickhouse: str = field(default="http://default:@127.0.0.1:8123/postbacks", repr=False)
    prefix: str = "postbacks"
    partitions: int = 12
    replication: int = 1
    data_dir: Path = Path(".postbacks")
    worker: str = ""
    web_host: str = "127.0.0.1"
    web_port: int = 8080
    sending: str = "on"
    allow_networks: tuple[Network, ...] = ()
    secrets_dir: Path | None = None
    max_in_flight: int = 256
    max_per_host: int = 32
    lead_ttl_days: int = 90
    log_ttl_days: int = 90
    requests_retention_days: int = 7
    late_s: float = 5.0
    handover_s: float = 5.0
    stop_timeout_s: float = 25.0
    log_format: str = "console"
    log_level: str = "info"

    @property
    def topics(self) -> Topics:
        """Every topic under this prefix."""
        return topics_of(self.prefix, self.partitions, self.requests_retention_days)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environ` (default: the process's, over a `.env` file in the working directory).

    Raises `SettingsFault` for the first wrong setting.
    """
    if environ is None:
        environ = {**_dotenv(Path(".env")), **os.environ}
    read = _Reader(environ)
    host, port = read.address("WEB", "127.0.0.1", 8080)
    return Settings(
        kafka=read.servers("KAFKA", "127.0.0.1:9092"),
        kafka_auth=_kafka_auth(read),
        clickhouse=read.link("CLICKHOUSE", "http://default:@127.0.0.1:8123/postbacks"),
        prefix=read.name("PREFIX", "postbacks"),
        partitions=read.whole("PARTITIONS", 12, 1, 10_000),
        replication=read.whole("REPLICATION", 1, 1, 10),
        data_dir=Path(read.text("DATA_DIR", ".postbacks")),
        worker=read.name("WORKER", socket.gethostname()),
        web_host=host,
        web_port=port,
        sending=read.choice("SENDING", "on", ("on", "dry-run")),
        allow_networks=read.networks("ALLOW_NETWORKS"),
        secrets_dir=Path(folder) if (folder := read.text("SECRETS_DIR", "")) else None,
        max_in_flight=read.whole("MAX_IN_FLIGHT", 256, 1, 65_536),
        max_per_host=read.whole("MAX_PER_HOST", 32, 1, 65_536),
        lead_ttl_days=read.whole("LEAD_TTL_DAYS", 90, 1, 3_650),
        log_ttl_days=read.whole("LOG_TTL_DAYS", 90, 1, 3_650),
        requests_retention_days=read.whole("REQUESTS_RETENTION_DAYS", 7, 1, 3_650),
        late_s=read.seconds("LATE_S", 5.0, 0.0, 86_400.0),
        handover_s=read.seconds("HANDOVER_S", 5.0, 0.0, 60.0),
        stop_timeout_s=read.seconds("STOP_TIMEOUT", 25.0, 0.1, 3_600.0),
        log_format=read.choice("LOG_FORMAT", "console", ("json", "console")),
        log_level=read.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
    )


def _kafka_auth(read: _Reader) -> KafkaAuth:
    protocols = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    mechanisms = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    auth = KafkaAuth(
        protocol=read.choice("KAFKA_SECURITY", "PLAINTEXT", protocols),
        mechanism=read.choice("KAFKA_SASL_MECHANISM", "PLAIN", mechanisms),
        username=read.text("KAFKA_USERNAME", ""),
        password=read.text("KAFKA_PASSWORD", ""),
        ca_file=read.text("KAFKA_CA_FILE", ""),
        cert_file=read.text("KAFKA_CERT_FILE", ""),
        key_file=read.text("KAFKA_KEY_FILE", ""),
    )
    if auth.protocol.startswith("SASL") and not auth.username:
        raise SettingsFault("POSTBACKS_KAFKA_USERNAME is missing: POSTBACKS_KAFKA_SECURITY asks for SASL")
    return auth


def _dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a file; `#` begins a comment line, quotes around a value are dropped."""
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("'\"")
    return found


class _Reader:
    """One mapping, read setting by setting; each method names the setting it refuses."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(f"POSTBACKS_{name}", "").strip() or default

    def fault(self, name: str, why: str) -> SettingsFault:
        return SettingsFault(f"POSTBACKS_{name}={self.text(name, '')!r} cannot be used: {why}")

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise self.fault(name, f"it is one of {', '.join(allowed)}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise self.fault(name, f"it is a whole number from {least} to {most}")
        return int(value)

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        try:
            value = float(self.text(name, str(default)))
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise self.fault(name, f"it is a number of seconds from {least:g} to {most:g}")
        return value

    def name(self, name: str, default: str) -> str:
        """A name that may stand in a Kafka topic and in a folder."""
        value = self.text(name, default)
        if len(value) > 100 or not all(c.isascii() and (c.isalnum() or c in "._-") for c in value):
            raise self.fault(name, "it is up to 100 of A-Z a-z 0-9 . _ -")
        return value

    def address(self, name: str, host: str, port: int) -> tuple[str, int]:
        value = self.text(name, f"{host}:{port}")
        found_host, colon, found_port = value.rpartition(":")
        if not colon or not found_host or not found_port.isdigit() or int(found_port) > 65_535:
            raise self.fault(name, f"it is host:port, such as {host}:{port}")
        return found_host.strip("[]"), int(found_port)

    def servers(self, name: str, default: str) -> str:
        value = self.text(name, default)
        for server in value.split(","):
            _, colon, port = server.strip().rpartition(":")
            if not colon or not port.isdigit():
                raise self.fault(name, f"it is host:port,host:port, such as {default}")
        return ",".join(server.strip() for server in value.split(","))

    def link(self, name: str, default: str) -> str:
        value = self.text(name, default)
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
            # The value holds a password: it is not repeated.
            raise SettingsFault(f"POSTBACKS_{name} is http://user:password@host:8123/database")
        return value

    def networks(self, name: str) -> tuple[Network, ...]:
        found = []
        for part in filter(None, (p.strip() for p in self.text(name, "").split(","))):
            try:
                found.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                raise self.fault(name, f"{part!r} is no network such as 10.0.0.0/8") from None
        return tuple(found)
