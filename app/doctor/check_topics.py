"""Whether the topics are as `postbacks migrate` makes them, and can be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from app.doctor.facts import FoundTopic, Kafka
from app.doctor.finding import Finding, Unknown, counted, listed, unchecked
from app.settings import Settings
from app.topics import DAY_MS, Topic

_Topics = Mapping[str, FoundTopic]
_SPANS_MS = ((DAY_MS, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"), (1, "ms"))


def check_topics(kafka: Kafka, settings: Settings) -> list[Finding]:
    """What differs from what this version needs, each with its cure."""
    if isinstance(kafka.topics, Unknown):
        return [unchecked("topics", "the topics", kafka.topics)]
    wanted, topics = settings.topics.all(), kafka.topics
    found = [*_missing(wanted, topics), *_counts(topics, settings)]
    found += [*_copies(wanted, kafka, settings), *_elsewhere(kafka, settings)]
    if isinstance(kafka.topic_settings, Unknown):
        found.append(unchecked("topics", "retention and other settings of the topics", kafka.topic_settings))
    else:
        for topic in wanted:
            found += _settings(topic, kafka.topic_settings.get(topic.name, {}), topics, settings)
    if all(finding.level == "unchecked" for finding in found):
        found.insert(0, Finding("topics", "ok", f"all {len(wanted)} are as migrate makes them"))
    return found


def _missing(wanted: list[Topic], topics: _Topics) -> Iterator[Finding]:
    if names := [topic.name for topic in wanted if topic.name not in topics]:
        verb = "is" if len(names) == 1 else "are"
        yield Finding(
            "topics",
            "fail",
            f"{counted(len(names), 'topic')} {verb} missing: {listed(names)}",
            "Workers do not start without them.",
            "`postbacks migrate`",
        )


def _counts(topics: _Topics, settings: Settings) -> Iterator[Finding]:
    """Other partition counts: all follow lead-events, whose count is chosen once."""
    events = topics.get(settings.topics.lead_events.name)
    chosen = events.partitions if events else settings.partitions
    if chosen != settings.partitions:
        yield Finding(
            "topics",
            "fail",
            f"{settings.topics.lead_events.name} has {counted(chosen, 'partition')}, "
            f"POSTBACKS_PARTITIONS is {settings.partitions}",
            "Leads are hashed over the partitions, so the count is chosen once; workers do not start.",
            f"Set POSTBACKS_PARTITIONS={chosen}.",
        )
    for topic in replace(settings, partitions=chosen).topics.all():
        found = topics.get(topic.name)
        if found and found.partitions != topic.partitions:
            yield _other_count(topic.name, found.partitions, topic.partitions, settings)


def _other_count(name: str, has: int, needs: int, settings: Settings) -> Finding:
    more = (
        f"`kafka-topics.sh --bootstrap-server {settings.kafka} --alter --topic {name} --partitions {needs}`"
    )
    anew = f"Stop the workers, delete {name} once nothing in it is needed, and run `postbacks migrate`."
    return Finding(
        "topics",
        "fail",
        f"{name} has {counted(has, 'partition')} and needs {needs}",
        "What comes of a lead event keeps its partition at every stage; workers do not start.",
        more if has < needs else anew,
    )


def _copies(wanted: list[Topic], kafka: Kafka, settings: Settings) -> Iterator[Finding]:
    assert not isinstance(kafka.topics, Unknown)
    ours = {topic.name: kafka.topics[topic.name] for topic in wanted if topic.name in kafka.topics}
    if lost := [name for name, topic in ours.items() if topic.leaderless]:
        yield Finding(
            "topics",
            "fail",
            f"partitions without a leader in {listed(lost)}",
            "They can be neither written nor read: the brokers that hold them are away.",
            "Start those brokers again.",
        )
    if short := [name for name, topic in ours.items() if topic.short and not topic.leaderless]:
        yield Finding(
            "topics",
            "warn",
            f"replicas that are not in sync in {listed(short)}",
            "A broker is away or slow; with too few in sync nothing is written.",
            "Look at the brokers' logs.",
        )
    single = [name for name, topic in ours.items() if topic.replicas == 1]
    if single and len(kafka.brokers) > 1:
        yield Finding(
            "topics",
            "warn",
            f"one copy only of {listed(single)}",
            f"There are {len(kafka.brokers)} brokers, and the loss of one loses lead events and requests.",
            "POSTBACKS_REPLICATION=3 is for new topics; add copies to these with "
            "`kafka-reassign-partitions.sh`.",
        )


def _elsewhere(kafka: Kafka, settings: Settings) -> Iterator[Finding]:
    """No lead event in our topic, and a topic of a like name beside it: a producer without the prefix."""
    assert not isinstance(kafka.topics, Unknown)
    ours = settings.topics.lead_events.name
    if isinstance(kafka.spans, Unknown) or ours not in kafka.topics:
        return
    written = any(span.end for (name, _), span in kafka.spans.items() if name == ours)
    others = [name for name in kafka.topics if name != ours]
    like = [name for name in others if name == "lead-events"] or get_close_matches(ours, others, cutoff=0.9)
    if like and not written:
        yield Finding(
            "topics",
            "warn",
            f"{ours} never had a record, and there is a topic {listed(like)}",
            "A producer may write to a name without the prefix, or with another one.",
            f"Have producers write to {ours}, or set POSTBACKS_PREFIX.",
        )


def _settings(topic: Topic, has: Mapping[str, str], topics: _Topics, settings: Settings) -> Iterator[Finding]:
    if not has:
        return
    differing = [(name, has.get(name), want) for name, want in topic.settings().items()]
    wrong = [(name, value, want) for name, value, want in differing if value not in (None, want)]
    if wrong:
        grave = any(_is_grave(name, value or "", want) for name, value, want in wrong)
        told = (
            f"{name} is {_shown(name, value or '')}, not {_shown(name, want)}" for name, value, want in wrong
        )
        yield Finding(
            "topics",
            "fail" if grave else "warn",
            f"{topic.name}: {'; '.join(told)}",
            " ".join(dict.fromkeys(_why(name, value or "", want) for name, value, want in wrong)),
            "`postbacks migrate`",
        )
    if has.get("retention.bytes", "-1") != "-1" and topic.retention_ms is not None:
        yield _bounded(topic, has["retention.bytes"], settings)
    in_sync, found = has.get("min.insync.replicas", "1"), topics.get(topic.name)
    if found and in_sync.isdecimal() and int(in_sync) > found.replicas:
        yield Finding(
            "topics",
            "fail",
            f"{topic.name}: min.insync.replicas is {in_sync}, and it has "
            f"{counted(found.replicas, 'copy', 'copies')}",
            "Nothing can be written to it.",
            f"`{_configs(settings, topic)} --add-config min.insync.replicas={found.replicas}`",
        )


def _bounded(topic: Topic, size: str, settings: Settings) -> Finding:
    return Finding(
        "topics",
        "warn",
        f"{topic.name}: retention.bytes is {size}",
        "Records go before their time once there are more, read or not.",
        f"`{_configs(settings, topic)} --delete-config retention.bytes`",
    )


def _configs(settings: Settings, topic: Topic) -> str:
    return (
        f"kafka-configs.sh --bootstrap-server {settings.kafka} --alter --entity-type topics "
        f"--entity-name {topic.name}"
    )


def _is_grave(name: str, value: str, want: str) -> bool:
    """Whether the difference loses records or keeps them from being written."""
    if name == "cleanup.policy":
        return True
    return value != "-1" and value.isdecimal() and int(value) < int(want)


def _why(name: str, value: str, want: str) -> str:
    if name == "cleanup.policy" and want == "compact":
        return "What it holds is gone after a while: it has to keep the newest of each key for ever."
    if name == "cleanup.policy":
        return "Compaction drops all but the newest record of a lead."
    if name == "retention.ms" and _is_grave(name, value, want):
        return "What is not read in time is lost."
    if name == "max.message.bytes" and _is_grave(name, value, want):
        return "A worker ends when a record does not fit."
    return "It only takes more room." if name == "retention.ms" else ""


def _shown(name: str, value: str) -> str:
    if name != "retention.ms" or not value.isdecimal():
        return value
    size, unit = next(
        ((size, unit) for size, unit in _SPANS_MS if int(value) % size == 0 and int(value) >= size), (1, "ms")
    )
    return counted(int(value) // size, unit, "ms" if unit == "ms" else "")
