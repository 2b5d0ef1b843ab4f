"""What the doctor looks at, as plain values. A fact that could not be had is `Unknown` and hides no other.

Times are Unix milliseconds of this machine's clock unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.doctor.finding import Unknown
from app.messages.record import Address
from app.messages.state import Postback, PostbackState

Partition = tuple[str, int]
"""A topic's name and the number of one of its partitions."""


@dataclass(frozen=True)
class Machine:
    """This machine and its environment. `free_bytes` is of the disk that POSTBACKS_DATA_DIR lies on."""

    doubts: Sequence[str]
    web_is_open: bool
    free_bytes: int | Unknown


@dataclass(frozen=True)
class Broker:
    """An address of Kafka; `fault` says why no connection can be made to it, "" when one can."""

    address: str
    fault: str = ""


@dataclass(frozen=True)
class FoundTopic:
    """A topic as it is. `replicas` is the smallest number of any partition.

    `leaderless` are partitions that no broker leads, `short` those with a replica that is not in sync.
    """

    partitions: int
    replicas: int
    leaderless: Sequence[int] = ()
    short: Sequence[int] = ()


@dataclass(frozen=True)
class Span:
    """The offsets that a partition holds: from `begin` to before `end`."""

    begin: int
    end: int


@dataclass(frozen=True)
class ConsumerGroup:
    """A consumer group: its living members, the offset that it reads next in each partition."""

    members: int
    state: str
    committed: Mapping[Partition, int]


@dataclass(frozen=True)
class Sampled:
    """One of the newest records of `lead-events`."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Arrivals:
    """How many lead events arrived and were rejected in the last hour and day; newest reasons of rejection.

    `rows_day` counts the rows that ClickHouse refused in the last day.
    """

    events_hour: int
    rejected_hour: int
    rejected_day: int
    rows_day: int
    reasons: Sequence[str] = ()


@dataclass(frozen=True)
class Kafka:
    """What Kafka says of itself and of our topics and groups, by role."""

    brokers: Sequence[Broker]
    lacks: Sequence[str]
    topics: Mapping[str, FoundTopic] | Unknown
    topic_settings: Mapping[str, Mapping[str, str]] | Unknown
    spans: Mapping[Partition, Span] | Unknown
    old_until: Mapping[Partition, int] | Unknown
    groups: Mapping[str, ConsumerGroup | Unknown]
    sample: Sequence[Sampled] | Unknown
    arrivals: Arrivals | Unknown
    flows: Mapping[str, bytes] | Unknown
    states: Mapping[Postback, PostbackState] | Unknown


@dataclass(frozen=True)
class KafkaAway:
    """Kafka could not be asked: each address with its fault, and what its client said last."""

    servers: Sequence[Broker]
    said: str = ""


@dataclass(frozen=True)
class Disk:
    """A disk of ClickHouse."""

    name: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Stored:
    """What LOG stored of `postback-log`: the highest address of each partition, the newest row's time."""

    highest: Mapping[int, Address]
    newest: datetime | None = None


@dataclass(frozen=True)
class Activity:
    """What a postback did in the last days: requests made, skips, and its commonest reason to skip."""

    flow_id: str
    postback_id: str
    requests: int
    skips: int
    reason: str = ""


@dataclass(frozen=True)
class Sending:
    """What came of a postback's sends to a host in the last hours; `answer` is the newest that failed."""

    host: str
    flow_id: str
    postback_id: str
    delivered: int
    undelivered: int
    blocked: int
    answer: str = ""


@dataclass(frozen=True)
class ClickHouse:
    """What ClickHouse says. `skew_ms` is its clock less ours, known to within `within_ms`.

    Without our database there is nothing to ask of it: what needs it is `Unknown`.
    """

    version: str
    skew_ms: float
    within_ms: float
    database: str
    has_database: bool
    missing: Sequence[str] | Unknown
    retention: Mapping[str, str] | Unknown
    disks: Sequence[Disk] | Unknown
    broken_views: Mapping[str, str] | Unknown
    stored: Stored | Unknown
    activity: Sequence[Activity] | Unknown
    events_by_flow: Mapping[str, int] | Unknown
    sendings: Sequence[Sending] | Unknown


@dataclass(frozen=True)
class Facts:
    """All of it, as it was at `now_ms`."""

    now_ms: int
    machine: Machine
    kafka: Kafka | KafkaAway
    clickhouse: ClickHouse | Unknown
