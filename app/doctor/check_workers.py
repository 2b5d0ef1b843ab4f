"""Whether each role has a living worker, and keeps up: lag and what was lost, by the committed offsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.doctor.facts import ConsumerGroup, Kafka, Partition, Span
from app.doctor.finding import Finding, Unknown, counted, listed, unchecked
from app.settings import Settings

ROLES = ("join", "outbound", "log", "retries")
"""The consumer groups of an installation; `retries` is OUTBOUND's mover."""

_SLOW = {
    "join": "JOIN folds thousands of events a second: look at that worker's log and at `/readyz`, "
    "or add workers.",
    "outbound": "Slow or silent receivers, or too few in flight: look at `postbacks stats --by host "
    "--since 1h`, "
    "then at POSTBACKS_MAX_IN_FLIGHT and POSTBACKS_MAX_PER_HOST, or add workers.",
    "log": "ClickHouse may be away or slow: look at that worker's log and at `/readyz`.",
    "retries": "The mover brings back what is due: look at the log of an OUTBOUND worker.",
}


def read_by(role: str, settings: Settings) -> list[str]:
    """The topics that a role's group reads."""
    topics = settings.topics
    of_role = {
        "retries": [tier.topic for tier in topics.retries],
        "join": [topics.lead_events],
        "outbound": [topics.requests],
        "log": [topics.log, topics.lead_events, topics.flow_configs],
    }
    return [topic.name for topic in of_role[role]]


def check_workers(kafka: Kafka, settings: Settings) -> list[Finding]:
    """A finding for each role that has no worker, stands still, or lost what it had not read."""
    found: list[Finding] = []
    idle: list[tuple[str, int]] = []
    for role in ROLES:
        group = kafka.groups.get(role, Unknown("not asked"))
        if isinstance(group, Unknown):
            found.append(unchecked("workers", f"role {role}", group))
        elif isinstance(kafka.spans, Unknown):
            found.append(unchecked("workers", f"lag of role {role}", kafka.spans))
        else:
            one = _Role(role, group, settings, _read(role, kafka.spans, settings))
            broken = [*_beyond(one), *_trimmed(one)]
            found += broken
            if group.members:
                found += _alive(one, kafka.old_until, bool(broken))
            else:
                idle.append((role, sum(one.waiting.values())))
    return [*_nobody(idle, settings), *found]


def _read(role: str, spans: Mapping[Partition, Span], settings: Settings) -> dict[Partition, Span]:
    names = read_by(role, settings)
    return {partition: span for partition, span in spans.items() if partition[0] in names}


def _nobody(idle: list[tuple[str, int]], settings: Settings) -> Iterator[Finding]:
    """The roles that no worker runs, with how many records wait for each."""
    if not idle:
        return
    held = sum(waiting for _, waiting in idle)
    roles = [role for role, _ in idle if role != "retries"] or ["outbound"]
    told = [f"{counted(waiting, 'record')} for {role}" for role, waiting in idle if waiting]
    yield Finding(
        "workers",
        "fail" if held else "warn",
        f"no worker runs {' or '.join(roles)}" + (f", and records wait: {listed(told, 4)}" if held else ""),
        f"Without a member: {listed([f'{settings.prefix}-{role}' for role, _ in idle], 4)}.",
        f"`postbacks worker --role {','.join(roles)}`, with these settings",
    )


@dataclass(frozen=True)
class _Role:
    name: str
    group: ConsumerGroup
    settings: Settings
    read: Mapping[Partition, Span]

    @property
    def waiting(self) -> dict[Partition, int]:
        """Records not finished, of the partitions that have any."""
        lags = {p: _lag(self.group.committed.get(p), span) for p, span in self.read.items()}
        return {partition: lag for partition, lag in lags.items() if lag}

    @property
    def group_id(self) -> str:
        """The name of its consumer group."""
        return f"{self.settings.prefix}-{self.name}"


def _alive(role: _Role, old_until: Mapping[Partition, int] | Unknown, broken: bool) -> Iterator[Finding]:
    waiting, committed = role.waiting, role.group.committed
    if isinstance(old_until, Unknown):
        yield Finding("workers", "unchecked", _told(role), f"The age of what waits: {old_until.why}")
        return
    old = {p: n for p in waiting if (n := _old(committed.get(p), role.read[p], old_until.get(p)))}
    if old:
        yield _behind(role, old)
    elif not broken:
        yield Finding("workers", "ok", _told(role))


def _lag(committed: int | None, span: Span) -> int:
    """Records not finished; without a commit, all that there are."""
    return max(0, span.end - max(span.begin, committed or 0))


def _old(committed: int | None, span: Span, old_until: int | None) -> int:
    """How many of them were due more than a minute ago."""
    return 0 if old_until is None else max(0, old_until - max(span.begin, committed or 0))


def _told(role: _Role) -> str:
    alive = counted(role.group.members, "worker")
    held = sum(role.waiting.values())
    what = "in its tiers" if role.name == "retries" else "under way"
    return f"role {role.name}: {alive}, " + (f"{counted(held, 'record')} {what}" if held else "nothing waits")


def _behind(role: _Role, old: Mapping[Partition, int]) -> Finding:
    (name, number), most = max(old.items(), key=lambda item: item[1])
    due = "are overdue" if role.name == "retries" else "wait"
    return Finding(
        "workers",
        "warn",
        f"role {role.name}: {counted(sum(old.values()), 'record')} {due} for more than a minute "
        f"({counted(role.group.members, 'worker')}, {sum(role.waiting.values())} under way)",
        f"Most in {name} partition {number}: {most}.",
        _SLOW[role.name],
    )


def _beyond(role: _Role) -> Iterator[Finding]:
    """Committed further than the partition reaches: it is not the topic that was read before."""
    committed = role.group.committed
    if found := [p for p, span in role.read.items() if committed.get(p, 0) > span.end]:
        name, number = found[0]
        yield Finding(
            "workers",
            "fail",
            f"role {role.name} has read {name} partition {number} up to offset {committed[found[0]]}, "
            f"and it ends at {role.read[found[0]].end}",
            f"{counted(len(found), 'partition')} of that kind. The topic was made anew, or Kafka lost its "
            "data; a worker that runs meanwhile may pass over new records up to that offset.",
            "Start its workers again: they read such a partition from its beginning.",
        )


def _trimmed(role: _Role) -> Iterator[Finding]:
    """Committed before what the partition still holds: retention was faster than the workers."""
    committed = role.group.committed
    found = {
        p: span.begin - committed[p]
        for p, span in role.read.items()
        if 0 <= committed.get(p, -1) < span.begin
    }
    if found:
        names = sorted({name for name, _ in found})
        yield Finding(
            "workers",
            "fail",
            f"role {role.name} lost {counted(sum(found.values()), 'record')} of {names[0]}",
            "Kafka deleted them before they were read: the workers were away for longer than the topic's "
            "retention, or somebody deleted records.",
            "Start them; have producers send what was lost again; keep records longer "
            "(`postbacks migrate` sets the retention).",
        )
