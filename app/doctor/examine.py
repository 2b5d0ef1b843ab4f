"""Facts in, findings out: every check, in the order in which a person would go through them."""

from __future__ import annotations

from collections.abc import Callable

from app.doctor.check_clickhouse import check_clickhouse
from app.doctor.check_clocks import check_clocks
from app.doctor.check_flows import check_flows, read_flows
from app.doctor.check_kafka import check_kafka
from app.doctor.check_producers import check_producers
from app.doctor.check_receivers import check_receivers
from app.doctor.check_secrets import check_secrets
from app.doctor.check_settings import check_settings
from app.doctor.check_topics import check_topics
from app.doctor.check_workers import check_workers
from app.doctor.facts import Facts, Kafka
from app.doctor.finding import Finding, Unknown, unchecked
from app.doctor.partitioners import Hash
from app.kit.clock import day_of
from app.settings import Settings

_NO_KAFKA = Unknown("Kafka cannot be asked")
_NO_CLICKHOUSE = Unknown("ClickHouse cannot be asked")


def examine(
    facts: Facts, settings: Settings, secret: Callable[[str], str | None], murmur2: Hash
) -> list[Finding]:
    """Every finding about an installation; `secret` looks a secret up, `murmur2` is Kafka's hash of a key."""
    kafka = facts.kafka if isinstance(facts.kafka, Kafka) else None
    clickhouse = _NO_CLICKHOUSE if isinstance(facts.clickhouse, Unknown) else facts.clickhouse
    flows, broken = read_flows(kafka.flows if kafka else _NO_KAFKA)
    found = [*check_settings(facts.machine, settings), *check_kafka(facts.kafka, settings)]
    if kafka is None:
        found += [unchecked(group, group, _NO_KAFKA) for group in ("topics", "producers", "workers")]
    else:
        found += check_topics(kafka, settings)
        found += check_producers(kafka, settings, murmur2)
        found += check_workers(kafka, settings)
    found += check_clocks(facts.now_ms, kafka.sample if kafka else _NO_KAFKA, clickhouse)
    found += check_clickhouse(facts.clickhouse, facts.kafka, settings)
    found += check_secrets(flows, secret)
    today = day_of(facts.now_ms)
    states = kafka.states if kafka else _NO_KAFKA
    if isinstance(clickhouse, Unknown):
        found += check_flows(flows, broken, clickhouse, clickhouse, today)
        return found + check_receivers(clickhouse, states)
    found += check_flows(flows, broken, clickhouse.activity, clickhouse.events_by_flow, today)
    return found + check_receivers(clickhouse.sendings, states)
