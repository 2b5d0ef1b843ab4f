"""Whether producers write lead events so that a lead stays in one partition, and what of them is rejected.

A lead whose events lie in two partitions is folded as two leads, each with half of what is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.doctor.facts import Arrivals, Kafka, Sampled
from app.doctor.finding import Finding, Level, Unknown, counted, listed, unchecked
from app.doctor.partitioners import Hash, explain, partition_of
from app.leads.events import decode
from app.leads.malformed import Malformed
from app.settings import Settings

RISING = 3
"""So many times the mean of the hours before makes rejections rise."""
_BAD_SHARE, _MANY_SHARE = 0.2, 0.01


@dataclass(frozen=True)
class _Event:
    """A sampled event that could be read."""

    record: Sampled
    lead: bytes


def check_producers(kafka: Kafka, settings: Settings, murmur2: Hash) -> list[Finding]:
    """What producers do wrong, by the newest lead events and by the rejected ones."""
    found: list[Finding] = []
    if isinstance(kafka.sample, Unknown):
        found.append(unchecked("producers", "keys and partitions of lead events", kafka.sample))
    elif not isinstance(kafka.topics, Unknown):
        topic = kafka.topics.get(settings.topics.lead_events.name)
        partitions = topic.partitions if topic else settings.partitions
        found += _placing(kafka.sample, partitions, murmur2)
    if isinstance(kafka.arrivals, Unknown):
        found.append(unchecked("producers", "rejected lead events", kafka.arrivals))
    else:
        found += _rejected(kafka.arrivals, settings)
    return found


def _placing(sample: Sequence[Sampled], partitions: int, murmur2: Hash) -> list[Finding]:
    if not sample:
        return [Finding("producers", "unchecked", "no lead event yet: keys and partitions not checked")]
    events = list(_readable(sample))
    if not events:
        fault = next(read for record in sample if isinstance(read := decode(record.value), Malformed))
        return [_unreadable(len(sample), fault)]
    lost = [e for e in events if e.record.partition != partition_of(e.lead, partitions, murmur2)]
    moved = [event for event in lost if event.record.key == event.lead]
    found = list(_moved(moved, events, partitions, murmur2))
    if any(event.record.key is None for event in lost):
        found.append(_bare([event for event in events if event.record.key is None], events))
    if any(event.record.key not in (None, event.lead) for event in lost):
        found.append(_other_key([e for e in events if e.record.key not in (None, e.lead)], events))
    return found or [
        Finding(
            "producers", "ok", f"the newest {counted(len(events), 'lead event')}: lead id as key, murmur2"
        )
    ]


def _readable(sample: Sequence[Sampled]) -> Iterator[_Event]:
    for record in sample:
        event = decode(record.value)
        if not isinstance(event, Malformed):
            yield _Event(record, event.lead_id.encode())


def _unreadable(count: int, fault: Malformed) -> Finding:
    return Finding(
        "producers",
        "fail",
        f"none of the newest {counted(count, 'lead event')} can be read",
        f"The newest: {fault}.",
        "Write them by the JSON Schema: `postbacks schema lead-event`",
    )


def _bare(bare: list[_Event], events: list[_Event]) -> Finding:
    return Finding(
        "producers",
        "fail",
        f"{_share(bare, events)} have no key",
        f"Such as lead {_text(bare[0].lead)} ({_place(bare[0])}). A lead's events go to any "
        "partition and are "
        "folded as several leads.",
        "Have the producer set the record's key to the lead id.",
    )


def _other_key(other: list[_Event], events: list[_Event]) -> Finding:
    key, lead = other[0].record.key or b"", other[0].lead
    return Finding(
        "producers",
        "fail",
        f"{_share(other, events)} have a key that is not their lead's id",
        f"Such as key {_text(key)} for lead {_text(lead)} ({_place(other[0])}). A lead's events go "
        "to several "
        "partitions and are folded as several leads.",
        "Have the producer set the record's key to the lead id, byte for byte.",
    )


def _moved(moved: list[_Event], events: list[_Event], partitions: int, murmur2: Hash) -> Iterator[Finding]:
    if moved:
        why, do = explain([(event.lead, event.record.partition) for event in moved], partitions, murmur2)
        belongs = partition_of(moved[0].lead, partitions, murmur2)
        yield Finding(
            "producers",
            "fail",
            f"{_share(moved, events)} are not in the partition of their key",
            f"Such as lead {_text(moved[0].lead)} ({_place(moved[0])}), which murmur2 puts into partition "
            f"{belongs}. {why} Beside a producer that uses murmur2 a lead lies in two partitions.",
            do,
        )


def _share(some: list[_Event], events: list[_Event]) -> str:
    return f"{len(some)} of the newest {counted(len(events), 'lead event')}"


def _place(event: _Event) -> str:
    return f"partition {event.record.partition}, offset {event.record.offset}"


def _text(raw: bytes) -> str:
    return repr(raw.decode("utf-8", "replace")[:64])


def _rejected(arrivals: Arrivals, settings: Settings) -> Iterator[Finding]:
    topic = settings.topics.events_rejected.name
    if arrivals.rows_day:
        yield Finding(
            "producers",
            "warn",
            f"{counted(arrivals.rows_day, 'log record')} of the last day became no row in ClickHouse",
            f"They are kept, with the reason in their headers, in {settings.topics.log_rejected.name}.",
            "Look at the headers there; the tables may be of another version: `postbacks migrate`",
        )
    if not arrivals.rejected_day:
        yield Finding("producers", "ok", "no lead event was rejected in the last day")
        return
    hour, day = arrivals.rejected_hour, arrivals.rejected_day
    if level := _grade(arrivals):
        yield Finding(
            "producers",
            level,
            f"{hour} of {counted(arrivals.events_hour, 'lead event')} of the last hour were rejected "
            f"({day} in the last day)",
            f"Why: {listed([repr(reason) for reason in arrivals.reasons])}. They are kept in {topic}.",
            "Correct the producer by `postbacks schema lead-event` and send them again.",
        )
    else:
        yield Finding(
            "producers", "ok", f"{counted(day, 'lead event')} of the last day were rejected, no more now"
        )


def _grade(arrivals: Arrivals) -> Level | None:
    hour = arrivals.rejected_hour
    before = (arrivals.rejected_day - hour) / 23
    if not hour:
        return None
    if hour >= _BAD_SHARE * arrivals.events_hour:
        return "fail"
    rises = hour > RISING * before
    return "warn" if rises or hour >= _MANY_SHARE * arrivals.events_hour else None
