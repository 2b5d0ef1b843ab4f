"""Settings: read once from the environment, checked, and passed on as one value.

Every field that is a time or a size has its unit in its name. A wrong setting stops the start with its
name and why (`SettingsFault`), and so does one that nothing obeys yet: a token that is quietly not
asked for lets everybody in. No message repeats what may hold a password.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.kit.environment import environment, gone_dev
from app.kit.reader import PREFIX, Address, Network, Reader, SettingsFault
from app.topics import DAY_MS, Topics, topics_of

__all__ = [
    "KafkaAuth",
    "Network",
    "ProxyLink",
    "Settings",
    "SettingsFault",
    "doubts",
    "environment",
    "load",
    "strangers",
]

UNSUPPORTED = ("CLICKHOUSE_CLUSTER",)
"""Settings to come: they are refused, because nothing obeys them yet."""
LEAST_TOKEN = 16
_NOT_SETTINGS = re.compile(
    r"SECRET_.*|CI"
    r"|(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)"  # Kubernetes', for its services
)


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
class ProxyLink:
    """The proxy that postbacks go through: `scheme` (how the proxy itself is spoken to) is http or https."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Settings:
    """All settings of one process; the names are those of the environment in lower case."""

    kafka: str = "127.0.0.1:9092"
    kafka_auth: KafkaAuth = KafkaAuth()
    kafka_session_timeout_s: float = 10.0
    clickhouse: str = field(default="http://default:@127.0.0.1:8123/postbacks", repr=False)
    prefix: str = "postbacks"
    partitions: int = 12
    replication: int = 1
    data_dir: Path = Path(".postbacks")
    flows_dir: Path | None = None
    worker: str = ""
    web_host: str = "127.0.0.1"
    web_port: int = 8080
    token: str = field(default="", repr=False)
    view_token: str = field(default="", repr=False)
    inbound: Path | None = None
    sending: str = "on"
    allow_networks: tuple[Network, ...] = ()
    proxy: ProxyLink | None = None
    source_addresses: tuple[Address, ...] = ()
    secrets_dir: Path | None = None
    max_in_flight: int = 256
    max_per_host: int = 32
    retry_delays: tuple[str, ...] = ("5s", "1m", "10m", "1h", "6h")
    retry_after_max_s: int = 86_400
    lead_ttl_days: int = 90
    log_ttl_days: int = 90
    requests_retention_days: int = 7
    late_s: float = 5.0
    handover_s: float = 5.0
    stop_timeout_s: float = 25.0
    stall_timeout_s: float = 120.0
    traces: str = ""
    traces_to_receivers: bool = False
    log_format: str = "console"
    log_level: str = "info"

    @property
    def lead_ttl_ms(self) -> int:
        """How long a lead is remembered after its last event, in milliseconds."""
        return self.lead_ttl_days * DAY_MS

    @property
    def passwords(self) -> frozenset[str]:
        """Every password and token among them: what must not be written anywhere."""
        clickhouse = unquote(urlsplit(self.clickhouse).password or "")
        proxy = self.proxy.password if self.proxy else ""
        return frozenset({self.kafka_auth.password, clickhouse, proxy, self.token, self.view_token} - {""})

    @property
    def topics(self) -> Topics:
        """Every topic under this prefix."""
        return topics_of(self.prefix, self.partitions, self.requests_retention_days, self.retry_delays)


def doubts(environ: Mapping[str, str]) -> list[str]:
    """What a person should hear about `environ`, a sentence each."""
    gone = gone_dev(environ)
    return [*([gone] if gone else []), *strangers(environ)]


def names() -> list[str]:
    """The names of all settings without `POSTBACKS_`, also of those that nothing obeys yet."""
    read = Reader({f"{PREFIX}WORKER": "w"})
    _read(read)
    return sorted({*read.names, *UNSUPPORTED})


def strangers(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each `POSTBACKS_…` variable that is no setting, with the setting nearest to it."""
    from difflib import get_close_matches  # late: only for a person who mistyped

    known = names()
    found = []
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in known and not _NOT_SETTINGS.fullmatch(name):
            near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            found.append(f"{variable} is no setting and changes nothing; did you mean {PREFIX}{near}?")
    return found


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environ` (default: `environment()`).

    Raises `SettingsFault` for the first wrong setting.
    """
    read = Reader(environment() if environ is None else environ)
    for name in UNSUPPORTED:
        if read.text(name, ""):
            raise SettingsFault(f"{PREFIX}{name} is not supported yet: take it out, nothing would obey it")
    return _read(read)


def _read(read: Reader) -> Settings:
    host, port = read.address("WEB", "127.0.0.1", 8080)
    traces = read.server("TRACES")
    return Settings(
        kafka=read.servers("KAFKA", "127.0.0.1:9092"),
        kafka_auth=_kafka_auth(read),
        kafka_session_timeout_s=read.seconds("KAFKA_SESSION_TIMEOUT", 10.0, 2.0, 300.0),
        clickhouse=read.link("CLICKHOUSE", "http://default:@127.0.0.1:8123/postbacks"),
        prefix=read.name("PREFIX", "postbacks"),
        partitions=read.whole("PARTITIONS", 12, 1, 10_000),
        replication=read.whole("REPLICATION", 1, 1, 10),
        data_dir=Path(read.text("DATA_DIR", ".postbacks")),
        flows_dir=read.folder("FLOWS_DIR"),
        worker=read.name("WORKER", socket.gethostname()),
        web_host=host,
        web_port=port,
        token=_token(read, "TOKEN"),
        view_token=_token(read, "VIEW_TOKEN"),
        inbound=Path(inbound) if (inbound := read.file("INBOUND")) else None,
        sending=read.choice("SENDING", "on", ("on", "dry-run")),
        allow_networks=read.networks("ALLOW_NETWORKS"),
        proxy=_proxy(read),
        source_addresses=read.addresses("SOURCE_ADDRESS"),
        secrets_dir=read.folder("SECRETS_DIR"),
        max_in_flight=read.whole("MAX_IN_FLIGHT", 256, 1, 65_536),
        max_per_host=read.whole("MAX_PER_HOST", 32, 1, 65_536),
        retry_delays=read.delays("RETRY_DELAYS", "5s,1m,10m,1h,6h"),
        retry_after_max_s=read.whole("RETRY_AFTER_MAX_S", 86_400, 1, 30 * 86_400),
        lead_ttl_days=read.whole("LEAD_TTL_DAYS", 90, 1, 3_650),
        log_ttl_days=read.whole("LOG_TTL_DAYS", 90, 1, 3_650),
        requests_retention_days=read.whole("REQUESTS_RETENTION_DAYS", 7, 1, 3_650),
        late_s=read.seconds("LATE_S", 5.0, 0.0, 86_400.0),
        handover_s=read.seconds("HANDOVER_S", 5.0, 0.0, 60.0),
        stall_timeout_s=read.seconds("STALL_TIMEOUT", 120.0, 5.0, 86_400.0),
        stop_timeout_s=read.seconds("STOP_TIMEOUT", 25.0, 0.1, 3_600.0),
        traces=traces,
        traces_to_receivers=_shown_traces(read, traces),
        log_format=read.choice("LOG_FORMAT", "console", ("json", "console")),
        log_level=read.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
    )


def _shown_traces(read: Reader, traces: str) -> bool:
    shown = read.choice("TRACES_TO_RECEIVERS", "off", ("on", "off")) == "on"
    if shown and not traces:
        raise SettingsFault(
            f"{PREFIX}TRACES_TO_RECEIVERS would not be used: {PREFIX}TRACES names no collector"
        )
    return shown


def _token(read: Reader, name: str) -> str:
    """A token of pages and API. Whoever guesses it reads of every lead, or sends what they like anywhere."""
    token = read.text(name, "")
    if token and len(token) < LEAST_TOKEN:
        raise SettingsFault(
            f"{PREFIX}{name} has {len(token)} characters and could be guessed: take {LEAST_TOKEN} or more, "
            "as openssl rand -hex 24 makes"
        )
    if token and name == "TOKEN" and token == read.text("VIEW_TOKEN", ""):
        raise SettingsFault(f"{PREFIX}TOKEN and {PREFIX}VIEW_TOKEN are the same: whoever views could edit")
    return token


def _proxy(read: Reader) -> ProxyLink | None:
    told = read.text("PROXY", "")
    if not told:
        return None
    try:
        parts = urlsplit(told)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    rest = parts.path.removesuffix("/") or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not port or rest or ":" in username:
        # The value holds a password: it is not repeated.
        raise SettingsFault(
            f"{PREFIX}PROXY cannot be used: it is http://user:password@host:3128, or https:// where the "
            "proxy itself speaks TLS, with the special characters of user and password as %XX"
        )
    return ProxyLink(parts.scheme, parts.hostname, port, username, password)


def _kafka_auth(read: Reader) -> KafkaAuth:
    protocols = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    mechanisms = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    auth = KafkaAuth(
        protocol=read.choice("KAFKA_SECURITY", "PLAINTEXT", protocols),
        mechanism=read.choice("KAFKA_SASL_MECHANISM", "PLAIN", mechanisms),
        username=read.text("KAFKA_USERNAME", ""),
        password=read.text("KAFKA_PASSWORD", ""),
        ca_file=read.file("KAFKA_CA_FILE"),
        cert_file=read.file("KAFKA_CERT_FILE"),
        key_file=read.file("KAFKA_KEY_FILE"),
    )
    asks = f"{PREFIX}KAFKA_SECURITY={auth.protocol}"
    for name, value in (("USERNAME", auth.username), ("PASSWORD", auth.password)):
        if auth.protocol.startswith("SASL") and not value:
            raise SettingsFault(f"{PREFIX}KAFKA_{name} is missing: {asks} needs it")
        if value and not auth.protocol.startswith("SASL"):
            raise SettingsFault(f"{PREFIX}KAFKA_{name} would not be used: {asks} knows no user")
    for name, value in (("CA", auth.ca_file), ("CERT", auth.cert_file), ("KEY", auth.key_file)):
        if value and "SSL" not in auth.protocol:
            raise SettingsFault(f"{PREFIX}KAFKA_{name}_FILE would not be used: {asks} has no TLS")
    if auth.key_file and not auth.cert_file:
        raise SettingsFault(f"{PREFIX}KAFKA_CERT_FILE is missing: {PREFIX}KAFKA_KEY_FILE is its key")
    return auth
