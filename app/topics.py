"""The topics: the map of the system on one screen.

| topic | key | value |
| --- | --- | --- |
| lead-events | lead id | lead event (`leads.events`) |
| flow-configs | flow id | flow config (`flows.config`); null deletes |
| postback-states | flow id and postback id, a JSON array | active or parked (`messages.state`) |
| postback-requests | lead id | envelope of rendered requests (`messages.request`) |
| postback-retries.<delay> | lead id | the same, with the attempts so far |
| postback-parked | request id | one rendered request; null when it was released or discarded |
| postback-log | lead id | envelope of log records (`messages.record`) |
| lead-events-rejected | as it came | the bytes as they came; the reason in headers |
| postback-log-rejected | as it came | the bytes as they came; the reason in headers |
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000
MAX_RECORD_BYTES = 2 * 1024 * 1024
MAX_REJECTED_BYTES = MAX_RECORD_BYTES + 64 * 1024  # a rejected record keeps its bytes and gains headers


@dataclass(frozen=True)
class Topic:
    """A topic as `migrate` makes it. `retention_ms` is None for a compacted topic."""

    name: str
    partitions: int
    retention_ms: int | None
    max_bytes: int = MAX_RECORD_BYTES

    def settings(self) -> dict[str, str]:
        """The topic's own settings, by Kafka's names."""
        if self.retention_ms is None:
            policy = {"cleanup.policy": "compact"}
        else:
            policy = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        return {**policy, "max.message.bytes": str(self.max_bytes)}


@dataclass(frozen=True)
class Topics:
    """Every topic of one installation, by the name that the code uses."""

    lead_events: Topic
    flow_configs: Topic
    postback_states: Topic
    requests: Topic
    retries: Topic
    parked: Topic
    log: Topic
    events_rejected: Topic
    log_rejected: Topic
    leads_changelog: Topic
    newest_changelog: Topic

    def all(self) -> list[Topic]:
        """In the order in which `migrate` makes them."""
        return list(self.__dict__.values())


def topics_of(prefix: str, partitions: int, requests_retention_days: int) -> Topics:
    """The topics under `prefix`; all but the two whole tables have the partition count of lead-events."""

    def kept(name: str, days: int, max_bytes: int = MAX_RECORD_BYTES) -> Topic:
        return Topic(f"{prefix}.{name}", partitions, days * DAY_MS, max_bytes)

    return Topics(
        lead_events=kept("lead-events", 90),
        flow_configs=Topic(f"{prefix}.flow-configs", 1, None),
        postback_states=Topic(f"{prefix}.postback-states", 1, None),
        requests=kept("postback-requests", requests_retention_days),
        retries=kept("postback-retries.5s", requests_retention_days),
        parked=Topic(f"{prefix}.postback-parked", partitions, None),
        log=kept("postback-log", requests_retention_days),
        events_rejected=kept("lead-events-rejected", 90, MAX_REJECTED_BYTES),
        log_rejected=kept("postback-log-rejected", 90, MAX_REJECTED_BYTES),
        leads_changelog=Topic(f"{prefix}-join-leads-changelog", partitions, None),
        newest_changelog=Topic(f"{prefix}-outbound-newest_delivered-changelog", partitions, None),
    )
