"""The topics: the map of the system on one screen.

| topic | key | value |
| --- | --- | --- |
| lead-events | lead id | lead event (`leads.events`) |
| flow-configs | flow id | flow config (`flows.config`); null deletes |
| postback-states | flow id and postback id, a JSON array | active or parked (`messages.state`) |
| lead-erasures | lead id | up to when a lead was erased (`messages.erasure`) |
| postback-requests | lead id | envelope of rendered requests (`messages.request`) |
| postback-retries.<delay> | lead id | the same as in postback-requests, with the attempts so far |
| postback-parked | request id | one rendered request; null when it was released or discarded |
| postback-log | lead id | envelope of log records (`messages.record`) |
| lead-events-rejected | as it came | the bytes as they came; the reason in headers |
| postback-log-rejected | as it came | the bytes as they came; the reason in headers |

And two that restore the tables of workers, under their Faust app's name:

| topic | key | value |
| --- | --- | --- |
| <prefix>-join-leads-changelog | lead id | the lead as it is now; null when it expired |
| <prefix>-outbound-newest_delivered-changelog | lead id and postback | the newest delivered `lead_seq` |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.kit.delays import delay_ms

DAY_MS = 86_400_000
LEADS_KEPT_DAYS = 90
"""How long what producers wrote stays in Kafka."""
MAX_RECORD_BYTES = 2 * 1024 * 1024
MAX_REJECTED_BYTES = MAX_RECORD_BYTES + 64 * 1024  # a rejected record keeps its bytes and gains headers

COMPACTED_DAYS = 7
"""How long a compacted topic may hold what was replaced or deleted: what was erased is gone then."""


@dataclass(frozen=True)
class Topic:
    """A topic as `migrate` makes it. `retention_ms` is None for a compacted topic.

    `is_stamped_by_us`: its records keep the timestamps that their producer gave them.
    """

    name: str
    partitions: int
    retention_ms: int | None
    max_bytes: int = MAX_RECORD_BYTES
    is_stamped_by_us: bool = False

    def settings(self) -> dict[str, str]:
        """The topic's own settings, by Kafka's names."""
        if self.retention_ms is None:
            policy = {"cleanup.policy": "compact", "max.compaction.lag.ms": str(COMPACTED_DAYS * DAY_MS)}
        else:
            policy = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        if self.is_stamped_by_us:
            policy["message.timestamp.type"] = "CreateTime"
        return {**policy, "max.message.bytes": str(self.max_bytes)}


@dataclass(frozen=True)
class Tier:
    """A topic whose records wait `delay_ms` from their timestamps before they go on."""

    topic: Topic
    delay_ms: int


@dataclass(frozen=True)
class Topics:
    """Every topic of one installation, by the name that the code uses."""

    lead_events: Topic
    flow_configs: Topic
    postback_states: Topic
    erasures: Topic
    requests: Topic
    retries: tuple[Tier, ...]
    parked: Topic
    log: Topic
    events_rejected: Topic
    log_rejected: Topic
    leads_changelog: Topic
    newest_changelog: Topic

    def all(self) -> list[Topic]:
        """In the order in which `migrate` makes them."""
        tiers = [tier.topic for tier in self.retries]
        return [*(made for made in self.__dict__.values() if isinstance(made, Topic)), *tiers]


def retries_prefix(prefix: str) -> str:
    """What the name of a tier's topic begins with; its delay follows."""
    return f"{prefix}.postback-retries."


def topics_of(
    prefix: str, partitions: int, requests_retention_days: int, retry_delays: Sequence[str]
) -> Topics:
    """The topics under `prefix`; all but those that are read whole have the partition count of lead-events.

    A tier keeps a record for its delay and then as long as `postback-requests` does.
    """

    def kept(name: str, days: int, max_bytes: int = MAX_RECORD_BYTES) -> Topic:
        return Topic(f"{prefix}.{name}", partitions, days * DAY_MS, max_bytes)

    def tier(delay: str) -> Tier:
        waits_ms = delay_ms(delay) or 0
        kept_ms = requests_retention_days * DAY_MS + waits_ms
        name = retries_prefix(prefix) + delay
        return Tier(Topic(name, partitions, kept_ms, is_stamped_by_us=True), waits_ms)

    return Topics(
        lead_events=kept("lead-events", LEADS_KEPT_DAYS),
        flow_configs=Topic(f"{prefix}.flow-configs", 1, None),
        postback_states=Topic(f"{prefix}.postback-states", 1, None),
        erasures=Topic(f"{prefix}.lead-erasures", 1, LEADS_KEPT_DAYS * DAY_MS),
        requests=kept("postback-requests", requests_retention_days),
        retries=tuple(map(tier, retry_delays)),
        parked=Topic(f"{prefix}.postback-parked", partitions, None),
        log=kept("postback-log", requests_retention_days),
        events_rejected=kept("lead-events-rejected", LEADS_KEPT_DAYS, MAX_REJECTED_BYTES),
        log_rejected=kept("postback-log-rejected", LEADS_KEPT_DAYS, MAX_REJECTED_BYTES),
        leads_changelog=Topic(f"{prefix}-join-leads-changelog", partitions, None),
        newest_changelog=Topic(f"{prefix}-outbound-newest_delivered-changelog", partitions, None),
    )
