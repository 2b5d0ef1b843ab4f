"""Whether Kafka can be used from here: reached, understood, and at the addresses that it announces."""

from __future__ import annotations

from collections.abc import Iterator

from app.doctor.facts import Kafka, KafkaAway
from app.doctor.finding import Finding, counted, listed
from app.settings import Settings


def check_kafka(kafka: Kafka | KafkaAway, settings: Settings) -> list[Finding]:
    """What keeps this machine from using Kafka."""
    if isinstance(kafka, KafkaAway):
        return [_away(kafka, settings)]
    found = [*_announced(kafka), *_lacks(kafka)]
    if settings.replication > len(kafka.brokers):
        found.append(_too_few(kafka, settings))
    return found or [_fine(kafka, settings)]


def _away(kafka: KafkaAway, settings: Settings) -> Finding:
    faults = [f"{server.address}: {server.fault}" for server in kafka.servers if server.fault]
    if len(faults) == len(kafka.servers):
        return Finding(
            "Kafka",
            "fail",
            f"Kafka cannot be reached at {listed([server.address for server in kafka.servers])}",
            "; ".join(faults),
            "Start it, or set POSTBACKS_KAFKA to an address that this machine reaches. On one machine "
            "`postbacks dev` starts all that is needed.",
        )
    auth = settings.kafka_auth
    user = f", user {auth.username!r} by {auth.mechanism}" if auth.protocol.startswith("SASL") else ""
    return Finding(
        "Kafka",
        "fail",
        f"Kafka at {settings.kafka} takes connections, and cannot be talked to",
        kafka.said or "It may want TLS or a user, have none of that, or be no Kafka.",
        f"Compare with its listeners: here POSTBACKS_KAFKA_SECURITY is {auth.protocol}{user}.",
    )


def _announced(kafka: Kafka) -> Iterator[Finding]:
    faults = [broker for broker in kafka.brokers if broker.fault]
    if faults:
        yield Finding(
            "Kafka",
            "fail",
            f"Kafka announces {listed([b.address for b in faults])}, which this machine does not reach",
            f"{faults[0].address}: {faults[0].fault}. Clients ask an address once, and then use "
            "what it names.",
            "Set advertised.listeners of the brokers to addresses that workers and producers reach.",
        )


def _lacks(kafka: Kafka) -> Iterator[Finding]:
    if kafka.lacks:
        yield Finding(
            "Kafka",
            "fail",
            f"this Kafka does not know {listed(list(kafka.lacks))}",
            "Workers need what Apache Kafka has since 0.11.",
            "Use Apache Kafka 2.1 or newer, or what speaks its protocol.",
        )


def _too_few(kafka: Kafka, settings: Settings) -> Finding:
    brokers = counted(len(kafka.brokers), "broker")
    return Finding(
        "Kafka",
        "warn",
        f"POSTBACKS_REPLICATION is {settings.replication}, and there is {brokers}",
        "A missing topic cannot be made.",
        f"Set POSTBACKS_REPLICATION={len(kafka.brokers)}, or add brokers.",
    )


def _fine(kafka: Kafka, settings: Settings) -> Finding:
    brokers = counted(len(kafka.brokers), "broker")
    return Finding(
        "Kafka", "ok", f"{settings.kafka} answers: {brokers}, each at the address that it announces"
    )
