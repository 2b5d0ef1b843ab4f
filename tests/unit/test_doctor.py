"""What the doctor finds in facts: nothing in healthy ones, each mistake with its cure, nothing hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from app.doctor.check_producers import check_producers
from app.doctor.examine import examine
from app.doctor.facts import (
    Activity,
    Arrivals,
    Broker,
    ClickHouse,
    ConsumerGroup,
    Disk,
    Facts,
    FoundTopic,
    Kafka,
    KafkaAway,
    Machine,
    Partition,
    Sampled,
    Sending,
    Span,
    Stored,
)
from app.doctor.finding import Finding, Unknown
from app.doctor.partitioners import by_crc32, by_fnv1a, by_unsigned_murmur2, partition_of
from app.messages.record import Address
from app.messages.state import PostbackState
from app.settings import Settings, load

_NOW_MS = 1_795_446_000_000
_SETTINGS = load({"POSTBACKS_WORKER": "w", "POSTBACKS_PARTITIONS": "4"})
_TOPICS = _SETTINGS.topics
_GIB = 1024**3
_FLOW = {
    "flow_id": "F-7",
    "postbacks": [
        {
            "id": "fb",
            "on": ["new"],
            "template": "https://track.er/?c={click}&s={id|hmac:sign}",
            "sign_with": "whsec",
            "headers": {"Authorization": "Bearer {secret.fb-main}"},
        }
    ],
}
_SECRETS = {"fb-main": "x", "sign": "y", "whsec": "z"}
_Place = Callable[[bytes, int], int]


def _by_murmur2(key: bytes, partitions: int) -> int:
    return partition_of(key, partitions, murmur2)


def _event(lead_id: str, at_ms: int = _NOW_MS, **more: Any) -> bytes:
    event = {"event_id": f"e-{lead_id}", "lead_id": lead_id, "flow_id": "F-7", "status": "new", **more}
    return json.dumps(event).encode()


def _sample(place: _Place = _by_murmur2, key: Callable[[str], bytes | None] = str.encode) -> list[Sampled]:
    leads = [f"L-{number}" for number in range(40)]
    return [
        Sampled(place(key(lead) or lead[::-1].encode(), 4), offset, _NOW_MS - 1_000, key(lead), _event(lead))
        for offset, lead in enumerate(leads)
    ]


def _dated(shift_ms: int, age_ms: int = 0) -> list[Sampled]:
    """Events written `age_ms` ago that say that they occurred `shift_ms` after that."""
    at_ms = _NOW_MS - age_ms
    occurred = datetime.fromtimestamp((at_ms + shift_ms) / 1000, UTC).isoformat()
    return [
        Sampled(_by_murmur2(lead.encode(), 4), n, at_ms, lead.encode(), _event(lead, occurred_at=occurred))
        for n, lead in enumerate(f"L-{number}" for number in range(10))
    ]


def _partitions() -> list[Partition]:
    return [(topic.name, number) for topic in _TOPICS.all() for number in range(topic.partitions)]


def _kafka(**more: Any) -> Kafka:
    at_end = dict.fromkeys(_partitions(), 100)
    healthy: dict[str, Any] = {
        "brokers": [Broker("127.0.0.1:9092")],
        "lacks": (),
        "topics": {topic.name: FoundTopic(topic.partitions, 1) for topic in _TOPICS.all()},
        "topic_settings": {topic.name: topic.settings() for topic in _TOPICS.all()},
        "spans": {partition: Span(0, 100) for partition in _partitions()},
        "old_until": dict.fromkeys(_partitions(), 98),
        "groups": {
            role: ConsumerGroup(1, "Stable", at_end) for role in ("join", "outbound", "log", "retries")
        },
        "sample": _sample(),
        "arrivals": Arrivals(1_000, 0, 0, 0),
        "flows": {"F-7": json.dumps(_FLOW).encode()},
        "states": {("F-7", "fb"): PostbackState("active", "", _NOW_MS, "w")},
    }
    return Kafka(**{**healthy, **more})


def _clickhouse(**more: Any) -> ClickHouse:
    healthy: dict[str, Any] = {
        "version": "26.9",
        "skew_ms": 3.0,
        "within_ms": 2.0,
        "database": "postbacks",
        "has_database": True,
        "missing": (),
        "retention": {},
        "disks": [Disk("default", 50 * _GIB, 100 * _GIB)],
        "broken_views": {},
        "stored": Stored({number: Address(number, 99) for number in range(4)}),
        "activity": [Activity("F-7", "fb", 12, 3, "unchanged")],
        "events_by_flow": {"F-7": 12, "": 3},
        "sendings": [Sending("track.er", "F-7", "fb", 12, 1, 0, "status 503 (retry)")],
    }
    return ClickHouse(**{**healthy, **more})


def _facts(**more: Any) -> Facts:
    healthy: dict[str, Any] = {
        "now_ms": _NOW_MS,
        "machine": Machine((), False, 50 * _GIB),
        "kafka": _kafka(),
        "clickhouse": _clickhouse(),
    }
    return Facts(**{**healthy, **more})


def _examine(
    facts: Facts, settings: Settings = _SETTINGS, secrets: Mapping[str, str] = _SECRETS
) -> list[Finding]:
    return examine(facts, settings, secrets.get, murmur2)


def test_a_healthy_installation_is_fine_in_all_ten_respects() -> None:
    findings = _examine(_facts())
    assert [finding for finding in findings if finding.level != "ok"] == []
    assert len({finding.group for finding in findings}) == 10


@dataclass(frozen=True)
class _Mistake:
    """A broken installation, and the finding that is wanted: what it names, what to do."""

    group: str
    level: str
    says: Sequence[str]
    do: Sequence[str]
    facts: Facts = field(default_factory=_facts)
    settings: Settings = _SETTINGS
    secrets: Mapping[str, str] | None = None


def _with_topic(name: str, **more: Any) -> Facts:
    kafka = _kafka()
    assert not isinstance(kafka.topics, Unknown)
    return _facts(kafka=replace(kafka, topics={**kafka.topics, name: replace(kafka.topics[name], **more)}))


def _with_setting(name: str, **changed: str) -> Facts:
    own = {**{topic.name: topic.settings() for topic in _TOPICS.all()}}
    renamed = {key.replace("_", "."): value for key, value in changed.items()}
    return _facts(kafka=_kafka(topic_settings={**own, name: {**own[name], **renamed}}))


def _with_group(role: str, committed: int | None = 100, members: int = 1, **kafka: Any) -> Facts:
    groups = dict(_kafka().groups)
    offsets = {} if committed is None else dict.fromkeys(_partitions(), committed)
    groups[role] = ConsumerGroup(members, "Stable", offsets)
    return _facts(kafka=_kafka(groups=groups, **kafka))


def _with_flows(**flows: Any) -> Kafka:
    return _kafka(
        flows={
            ("*" if key == "shared" else key.replace("_", "-")): json.dumps(flow).encode()
            for key, flow in flows.items()
        }
    )


def _short(flow_id: str, **more: Any) -> dict[str, Any]:
    return {"flow_id": flow_id, "postbacks": {"new": "https://track.er/?c={click}"}, **more}


_EVENTS = _TOPICS.lead_events.name
_CONFIGS = _TOPICS.flow_configs.name

_MISTAKES = {
    # 1. settings
    "a misspelt variable": _Mistake(
        "settings", "warn", ["POSTBACKS_KAFAK"], ["take it out"],
        _facts(machine=Machine(["POSTBACKS_KAFAK is no setting"], False, 50 * _GIB)),
    ),
    "dry run": _Mistake(
        "settings", "warn", ["dry-run", "nothing is sent"], ["Take it out"],
        settings=replace(_SETTINGS, sending="dry-run"),
    ),
    "an open port": _Mistake(
        "settings", "fail", ["POSTBACKS_WEB", "token"], ["POSTBACKS_VIEW_TOKEN"],
        _facts(machine=Machine((), True, 50 * _GIB)),
    ),
    "a full disk": _Mistake(
        "settings", "warn", ["POSTBACKS_DATA_DIR", "1.0 GiB"], ["Free"],
        _facts(machine=Machine((), False, _GIB)),
    ),
    "no guard": _Mistake(
        "settings", "warn", ["POSTBACKS_ALLOW_NETWORKS"], ["10.1.2.0/24"],
        settings=load({"POSTBACKS_WORKER": "w", "POSTBACKS_PARTITIONS": "4",
                       "POSTBACKS_ALLOW_NETWORKS": "0.0.0.0/0"}),
    ),
    # 2. Kafka
    "Kafka is away": _Mistake(
        "Kafka", "fail", ["127.0.0.1:9092", "Connection refused"], ["POSTBACKS_KAFKA"],
        _facts(kafka=KafkaAway([Broker("127.0.0.1:9092", "Connection refused")])),
    ),
    "Kafka wants a user": _Mistake(
        "Kafka", "fail", ["cannot be talked to", "SaslAuthenticationFailed"], ["POSTBACKS_KAFKA_SECURITY"],
        _facts(kafka=KafkaAway([Broker("127.0.0.1:9092")], "SaslAuthenticationFailed")),
    ),
    "Kafka announces another address": _Mistake(
        "Kafka", "fail", ["kafka:9092", "Name or service not known"], ["advertised.listeners"],
        _facts(kafka=_kafka(brokers=[Broker("kafka:9092", "Name or service not known")])),
    ),
    "Kafka is too old": _Mistake(
        "Kafka", "fail", ["InitProducerId"], ["2.1"], _facts(kafka=_kafka(lacks=["InitProducerId"])),
    ),
    "more copies than brokers": _Mistake(
        "Kafka", "warn", ["POSTBACKS_REPLICATION is 3", "1 broker"], ["POSTBACKS_REPLICATION=1"],
        settings=replace(_SETTINGS, replication=3),
    ),
    # 3. topics
    "topics are missing": _Mistake(
        "topics", "fail", [f"{len(_TOPICS.all())} topics are missing"], ["`postbacks migrate`"],
        _facts(kafka=_kafka(topics={})),
    ),
    "another partition count": _Mistake(
        "topics", "fail", [_EVENTS, "4 partitions", "is 12"], ["POSTBACKS_PARTITIONS=4"],
        settings=replace(_SETTINGS, partitions=12),
    ),
    "a stage with fewer partitions": _Mistake(
        "topics", "fail", [_TOPICS.requests.name, "2 partitions and needs 4"],
        [f"--alter --topic {_TOPICS.requests.name} --partitions 4"],
        _with_topic(_TOPICS.requests.name, partitions=2),
    ),
    "a whole table with more partitions": _Mistake(
        "topics", "fail", [_CONFIGS, "needs 1"], ["delete", "`postbacks migrate`"],
        _with_topic(_CONFIGS, partitions=3),
    ),
    "flows that expire": _Mistake(
        "topics", "fail", [_CONFIGS, "cleanup.policy is delete, not compact"], ["`postbacks migrate`"],
        _with_setting(_CONFIGS, cleanup_policy="delete"),
    ),
    "events that are compacted": _Mistake(
        "topics", "fail", ["cleanup.policy is compact", "newest record of a lead"], ["`postbacks migrate`"],
        _with_setting(_EVENTS, cleanup_policy="compact"),
    ),
    "a short retention": _Mistake(
        "topics", "fail", [f"{_EVENTS}: retention.ms is 1 hour, not 90 days"], ["`postbacks migrate`"],
        _with_setting(_EVENTS, retention_ms="3600000"),
    ),
    "a long retention": _Mistake(
        "topics", "warn", ["retention.ms is 365 days", "more room"], ["`postbacks migrate`"],
        _with_setting(_EVENTS, retention_ms=str(365 * 86_400_000)),
    ),
    "records that do not fit": _Mistake(
        "topics", "fail", ["max.message.bytes is 1048588"], ["`postbacks migrate`"],
        _with_setting(_TOPICS.requests.name, max_message_bytes="1048588"),
    ),
    "records that go when there are many": _Mistake(
        "topics", "warn", ["retention.bytes is 1000000"], [f"{_EVENTS} --delete-config retention.bytes"],
        _with_setting(_EVENTS, retention_bytes="1000000"),
    ),
    "more in sync than there are": _Mistake(
        "topics", "fail", ["min.insync.replicas is 2", "1 copy"], ["min.insync.replicas=1"],
        _with_setting(_EVENTS, min_insync_replicas="2"),
    ),
    "no leader": _Mistake(
        "topics", "fail", ["without a leader", _EVENTS], ["brokers"], _with_topic(_EVENTS, leaderless=[2]),
    ),
    "a broker behind": _Mistake(
        "topics", "warn", ["not in sync", _EVENTS], ["brokers"], _with_topic(_EVENTS, short=[2]),
    ),
    "one copy on three brokers": _Mistake(
        "topics", "warn", ["one copy only", "3 brokers"], ["POSTBACKS_REPLICATION=3"],
        _facts(kafka=_kafka(brokers=[Broker(f"k{number}:9092") for number in range(3)])),
    ),
    "a producer without the prefix": _Mistake(
        "topics", "warn", [f"{_EVENTS} never had a record", "lead-events"], ["POSTBACKS_PREFIX"],
        _facts(kafka=_kafka(
            topics={**_kafka().topics, "lead-events": FoundTopic(1, 1)},  # type: ignore[dict-item]
            spans={partition: Span(0, 0) for partition in _partitions()},
        )),
    ),
    # 4. producers
    "librdkafka's partitioner": _Mistake(
        "producers", "fail", ["partition of their key", "CRC-32", "librdkafka"],
        ["`partitioner=murmur2_random`"], _facts(kafka=_kafka(sample=_sample(by_crc32))),
    ),
    "Sarama's partitioner": _Mistake(
        "producers", "fail", ["partition of their key", "FNV-1a"], ["Murmur2Balancer"],
        _facts(kafka=_kafka(sample=_sample(by_fnv1a))),
    ),
    "partitions in turn": _Mistake(
        "producers", "fail", ["partition of their key", "in turn"], ["murmur2_random", "franz-go", "KafkaJS"],
        _facts(kafka=_kafka(sample=_sample(lambda key, count: int(key[2:]) % count))),
    ),
    "no key": _Mistake(
        "producers", "fail", ["40 of the newest 40 lead events have no key"], ["lead id"],
        _facts(kafka=_kafka(sample=_sample(key=lambda lead: None))),
    ),
    "another key": _Mistake(
        "producers", "fail", ["key that is not their lead's id", "'click-L-0'"], ["lead id"],
        _facts(kafka=_kafka(sample=_sample(key=lambda lead: f"click-{lead}".encode()))),
    ),
    "events that cannot be read": _Mistake(
        "producers", "fail", ["can be read", "event_id: missing"], ["`postbacks schema lead-event`"],
        _facts(kafka=_kafka(sample=[Sampled(0, 0, _NOW_MS, b"L-1", b"{}")])),
    ),
    "many rejected": _Mistake(
        "producers", "fail", ["500 of 1 000 lead events", "'price: a text'"],
        ["`postbacks schema lead-event`"],
        _facts(kafka=_kafka(arrivals=Arrivals(1_000, 500, 500, 0, ["price: a text"]))),
    ),
    "more rejected than before": _Mistake(
        "producers", "warn", ["5 of 1 000 lead events", "(6 in the last day)"], ["schema"],
        _facts(kafka=_kafka(arrivals=Arrivals(1_000, 5, 6, 0))),
    ),
    "rows refused": _Mistake(
        "producers", "warn", ["3 log records", _TOPICS.log_rejected.name], ["`postbacks migrate`"],
        _facts(kafka=_kafka(arrivals=Arrivals(1_000, 0, 0, 3))),
    ),
    # 5. workers
    "nobody works": _Mistake(
        "workers", "warn", ["no worker runs join"], ["`postbacks worker --role join`"],
        _with_group("join", members=0),
    ),
    "nobody works and events wait": _Mistake(
        "workers", "fail", ["no worker runs outbound", "400 records for outbound"],
        ["`postbacks worker --role outbound`"], _with_group("outbound", committed=None, members=0),
    ),
    "a lag": _Mistake(
        "workers", "warn", ["role join: 32 records wait for more than a minute", "(1 worker, 40 under way)"],
        ["`/readyz`"], _with_group("join", committed=90),
    ),
    "retries overdue": _Mistake(
        "workers", "warn", ["role retries: 160 records are overdue"], ["mover"],
        _with_group("retries", committed=90),
    ),
    "records lost": _Mistake(
        "workers", "fail", [f"role join lost 80 records of {_EVENTS}", "retention"], ["again"],
        _with_group("join", committed=30, spans={partition: Span(50, 100) for partition in _partitions()}),
    ),
    "a topic made anew": _Mistake(
        "workers", "fail", ["role join has read", "offset 130", "ends at 100"],
        ["Start its workers again"],
        _with_group("join", committed=130),
    ),
    # 6. clocks
    "a fast producer": _Mistake(
        "clocks", "fail", ["from the future", "1.5 h"], ["NTP"],
        _facts(kafka=_kafka(sample=_dated(0, age_ms=-5_400_000))),
    ),
    "a producer some seconds ahead": _Mistake(
        "clocks", "warn", ["from the future", "7.0 s"], ["NTP"],
        _facts(kafka=_kafka(sample=_dated(0, age_ms=-7_000))),
    ),
    "local time ahead of UTC": _Mistake(
        "clocks", "warn", ["occurred_at is 3 h ahead", "10 of 10"], ["UTC"],
        _facts(kafka=_kafka(sample=_dated(3 * 3_600_000))),
    ),
    "local time behind UTC": _Mistake(
        "clocks", "warn", ["occurred_at is 5 h behind"], ["UTC"],
        _facts(kafka=_kafka(sample=_dated(-5 * 3_600_000 - 400))),
    ),
    "ClickHouse's clock": _Mistake(
        "clocks", "warn", ["ClickHouse's clock is 5.0 s behind"], ["NTP"],
        _facts(clickhouse=_clickhouse(skew_ms=-5_000.0)),
    ),
    # 7. ClickHouse
    "ClickHouse is away": _Mistake(
        "ClickHouse", "fail", ["cannot be asked", "refused"], ["POSTBACKS_CLICKHOUSE"],
        _facts(clickhouse=Unknown("Connection refused")),
    ),
    "no database": _Mistake(
        "ClickHouse", "fail", ["no database postbacks"], ["`postbacks migrate`"],
        _facts(clickhouse=_clickhouse(has_database=False)),
    ),
    "tables of an older version": _Mistake(
        "ClickHouse", "fail", ["0004_sources"], ["`postbacks migrate`"],
        _facts(clickhouse=_clickhouse(missing=["0004_sources"])),
    ),
    "another retention": _Mistake(
        "ClickHouse", "warn", ["POSTBACKS_LOG_TTL_DAYS", "postback_log"], ["`postbacks migrate`"],
        _facts(clickhouse=_clickhouse(retention={"postback_log": "toIntervalDay(7)"})),
    ),
    "ClickHouse's disk": _Mistake(
        "ClickHouse", "fail", ["'default'", "0.2 GiB free"], ["POSTBACKS_LOG_TTL_DAYS"],
        _facts(clickhouse=_clickhouse(disks=[Disk("default", _GIB // 4, 100 * _GIB)])),
    ),
    "statistics stand still": _Mistake(
        "ClickHouse", "warn", ["postback_stats_refresh", "MEMORY_LIMIT"], ["SYSTEM REFRESH VIEW"],
        _facts(clickhouse=_clickhouse(broken_views={"postback_stats_refresh": "MEMORY_LIMIT"})),
    ),
    "another database": _Mistake(
        "ClickHouse", "warn", ["no row", "400 records"], ["POSTBACKS_CLICKHOUSE"],
        _facts(clickhouse=_clickhouse(stored=Stored({}))),
    ),
    "a log made anew": _Mistake(
        "ClickHouse", "fail", ["made anew", "ends at 100, rows reach to 4000"], ["POSTBACKS_PREFIX"],
        _facts(clickhouse=_clickhouse(stored=Stored({0: Address(0, 4_000)}))),
    ),
    # 8. secrets
    "a secret that nobody set": _Mistake(
        "secrets", "fail", ["secret fb-main", "F-7/fb"], ["POSTBACKS_SECRET_FB_MAIN"],
        secrets={"sign": "y", "whsec": "z"},
    ),
    "a secret of hmac": _Mistake(
        "secrets", "fail", ["secret sign"], ["POSTBACKS_SECRET_SIGN"], secrets={"fb-main": "x", "whsec": "z"},
    ),
    "a key file that is cut off": _Mistake(
        "secrets", "fail", ["secret fb-main gets no access token", "is no JSON"], ["the whole JSON"],
        secrets={"fb-main": '{"type": "service_account", "private', "sign": "y", "whsec": "z"},
    ),
    "a secret to sign with": _Mistake(
        "secrets", "fail", ["secret whsec", "F-7/fb"], ["POSTBACKS_SECRET_WHSEC"],
        secrets={"fb-main": "x", "sign": "y"},
    ),
    # 9. flows
    "no flow": _Mistake("flows", "warn", ["no flow"], ["flows apply"], _facts(kafka=_kafka(flows={}))),
    "a broken flow": _Mistake(
        "flows", "fail", ["flow F-8 is broken", "sha256"], ["`postbacks flows delete F-8`"],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8=_short("F-8", postbacks={"new": "https://t.er/{id|sha265}"}))),
    ),
    "a flow under another key": _Mistake(
        "flows", "fail", ["flow F-8 is broken", "its record's key is 'F-8'"], ["`postbacks flows "
                                                                               "delete F-8`"],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8=_FLOW)),
    ),
    "nothing but disabled postbacks": _Mistake(
        "flows", "warn", ["flow F-8 sends nothing", "disabled"], ['"enabled": false'],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8={
            "flow_id": "F-8", "postbacks": [{**_FLOW["postbacks"][0], "enabled": False}],  # type: ignore[dict-item]
        })),
    ),
    "a version that is over": _Mistake(
        "flows", "warn", ["v20.0 of Meta Conversions API ended on 2026-09-24", "F-8/new"], ["the link"],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8=_short(
            "F-8", postbacks={"new": "https://graph.facebook.com/v20.0/1/events|JSON|{}"}))),
    ),
    "a flow that no lead names": _Mistake(
        "flows", "warn", ["flow F-8 never fires", "names it", "15 lead events"], ["flows delete F-8"],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8=_short("F-8"))),
    ),
    "a flow on other events": _Mistake(
        "flows", "warn", ["flow F-8 never fires", "4 lead events", "on new"], ["log_skips"],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8=_short("F-8")),
               clickhouse=_clickhouse(events_by_flow={"F-7": 12, "F-8": 4})),
    ),
    "a flow that skips everything": _Mistake(
        "flows", "warn", ["flow F-8 never fires", "30 skips", "'empty: click'"], ["{click}", "require"],
        _facts(kafka=_with_flows(F_7=_FLOW, F_8=_short("F-8")),
               clickhouse=_clickhouse(activity=[Activity("F-7", "fb", 1, 0),
                                                Activity("F-8", "new", 0, 30, "empty: click")])),
    ),
    "a postback that skips everything": _Mistake(
        "flows", "warn", ["postback F-7/late never fires", "'condition: geo'"], ["`when`"],
        _facts(kafka=_with_flows(F_7={**_FLOW, "postbacks": [
                   *_FLOW["postbacks"], {"id": "late", "on": ["hold"], "template": "https://track.er/"}]}),
               clickhouse=_clickhouse(activity=[Activity("F-7", "fb", 9, 0),
                                                Activity("F-7", "late", 0, 10, "condition: geo")])),
    ),
    "leads of an unknown flow": _Mistake(
        "flows", "warn", ["9 lead events", "name flow F-77", "nearest flow is F-7"], ["flows apply"],
        _facts(clickhouse=_clickhouse(events_by_flow={"F-7": 12, "F-77": 9})),
    ),
    "a shadowed global postback": _Mistake(
        "flows", "warn", ["*/new", "no lead of a known flow"], ["on top"],
        _facts(kafka=_with_flows(F_7=_FLOW, shared=_short("*"))),
    ),
    # 10. receivers
    "a receiver that refuses": _Mistake(
        "receivers", "fail", ["track.er: 42 sends of F-7/fb", "none delivered", "status 401"],
        ["token", "`postbacks logs list --host track.er --since 6h`"],
        _facts(clickhouse=_clickhouse(
            sendings=[Sending("track.er", "F-7", "fb", 0, 42, 0, "status 401 (auth)")])),
    ),
    "a parked postback": _Mistake(
        "receivers", "warn", ["F-7/fb is parked since 2026-11-23T15:00:00Z by w: status 401"],
        ["`postbacks release F-7 fb`"],
        _facts(kafka=_kafka(states={("F-7", "fb"): PostbackState("parked", "status 401", _NOW_MS, "w")})),
    ),
    "one refusal": _Mistake(
        "receivers", "warn", ["track.er: 1 send of F-7/fb"], ["away"],
        _facts(clickhouse=_clickhouse(
            sendings=[Sending("track.er", "F-7", "fb", 0, 1, 0, "Connection refused")])),
    ),
    "a proxy that refuses": _Mistake(
        "receivers", "fail", ["track.er: 9 sends of F-7/fb"], ["not the receiver", "POSTBACKS_PROXY"],
        _facts(clickhouse=_clickhouse(sendings=[
            Sending("track.er", "F-7", "fb", 0, 9, 0, "the proxy refused to connect: status 403")])),
    ),
    "a token server that refuses": _Mistake(
        "receivers", "fail", ["g.example: 9 sends of F-7/fb"], ["not the receiver", "test-send"],
        _facts(clickhouse=_clickhouse(sendings=[
            Sending("g.example", "F-7", "fb", 0, 9, 0, "no access token for secret g: status 400")])),
    ),
    "a private address": _Mistake(
        "receivers", "fail", ["crm.local", "open internet"], ["POSTBACKS_ALLOW_NETWORKS"],
        _facts(clickhouse=_clickhouse(
            sendings=[Sending("crm.local", "F-7", "fb", 0, 5, 5, "10.0.0.7 is private")])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _MISTAKES)
def test_each_mistake_is_found_with_its_cure(name: str) -> None:
    mistake = _MISTAKES[name]
    secrets = _SECRETS if mistake.secrets is None else mistake.secrets
    wrong = [
        finding
        for finding in _examine(mistake.facts, mistake.settings, secrets)
        if finding.group == mistake.group and finding.level == mistake.level
    ]
    told = [f"{finding.what} {finding.why} → {finding.do}" for finding in wrong]
    assert any(
        all(word in line.split(" → ")[0] for word in mistake.says)
        and all(word in line.split(" → ")[1] for word in mistake.do)
        for line in told
    ), told


def _hidden(fact: str) -> Facts:
    """Healthy facts but one, which could not be had."""
    side, _, name = fact.partition(".")
    lost: dict[str, Any] = {name: Unknown("no answer within 3 s")}
    if side == "kafka":
        return _facts(kafka=_kafka(**lost))
    return _facts(clickhouse=_clickhouse(**lost))


_FACTS = [
    *(
        f"kafka.{name}"
        for name in (
            "topics",
            "topic_settings",
            "spans",
            "old_until",
            "sample",
            "arrivals",
            "flows",
            "states",
        )
    ),
    *(f"clickhouse.{one.name}" for one in fields(ClickHouse)[5:]),
]


@pytest.mark.parametrize("fact", _FACTS)
def test_a_fact_that_is_missing_is_told_and_hides_no_other(fact: str) -> None:
    findings = _examine(_hidden(fact))
    unchecked = [finding for finding in findings if finding.level == "unchecked"]
    assert unchecked
    assert all("no answer within 3 s" in finding.why for finding in unchecked)
    assert all(finding.level in ("ok", "unchecked") for finding in findings)
    assert len({finding.group for finding in findings}) == 10


def test_without_kafka_and_clickhouse_nothing_is_called_fine_that_was_not_looked_at() -> None:
    away = _facts(kafka=KafkaAway([Broker("k:9092", "refused")]), clickhouse=Unknown("refused"))
    levels = {finding.group: finding.level for finding in _examine(away)}
    assert levels.pop("settings") == "ok"
    assert (levels.pop("Kafka"), levels.pop("ClickHouse")) == ("fail", "fail")
    assert set(levels.values()) == {"unchecked"}


def test_an_unknown_flow_id_is_well_where_flow_star_serves_it() -> None:
    kafka = _with_flows(F_7=_FLOW, shared=_short("*", postbacks={"approve": "https://track.er/"}))
    facts = _facts(kafka=kafka, clickhouse=_clickhouse(events_by_flow={"F-7": 12, "F-77": 9}))
    assert all(finding.level == "ok" for finding in _examine(facts))


def test_a_few_rejections_as_ever_are_no_alarm() -> None:
    facts = _facts(kafka=_kafka(arrivals=Arrivals(10_000, 5, 120, 0)))
    assert all(finding.level == "ok" for finding in _examine(facts))


def test_a_group_that_never_committed_has_all_before_it() -> None:
    [finding] = [f for f in _examine(_with_group("join", committed=None)) if f.level == "warn"]
    assert "392 records wait" in finding.what


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1), st.integers(1, 60))
def test_whoever_hashes_lead_ids_by_murmur2_is_never_blamed(ids: list[str], partitions: int) -> None:
    leads = [lead for lead in ids if lead.strip() and lead.isprintable()]
    sample = [
        Sampled(partition_of(lead.encode(), partitions, murmur2), 0, _NOW_MS, lead.encode(), _event(lead))
        for lead in leads
    ]
    topics = {_EVENTS: FoundTopic(partitions, 1)}
    found = check_producers(_kafka(sample=sample, topics=topics), _SETTINGS, murmur2)
    assert not [finding for finding in found if finding.level in ("warn", "fail")]


def test_a_murmur2_that_keeps_its_sign_bit_is_named() -> None:
    leads = [f"L-{number}" for number in range(60)]
    sample = [
        Sampled(by_unsigned_murmur2(lead.encode(), 12, murmur2), 0, _NOW_MS, lead.encode(), _event(lead))
        for lead in leads
    ]
    found = check_producers(_kafka(sample=sample, topics={_EVENTS: FoundTopic(12, 1)}), _SETTINGS, murmur2)
    [blamed] = [one for one in found if one.level == "fail"]
    assert "@platformatic/kafka" in repr(blamed)
    assert "compatibilityPartitioner" in repr(blamed)


@pytest.mark.parametrize(
    ("key", "crc32", "fnv1a"),
    [(b"", 0, 0x811C9DC5), (b"a", 0xE8B7BE43, 0xE40C292C), (b"foobar", 0x9EF61F95, 0xBF9CF968)],
)
def test_the_hashes_of_other_clients_are_theirs(key: bytes, crc32: int, fnv1a: int) -> None:
    """By their published values; Go's clients read FNV-1a as a signed number and drop the sign."""
    assert by_crc32(key, 1 << 32) == crc32
    assert by_fnv1a(key, 1 << 32) == (1 << 32) - fnv1a
