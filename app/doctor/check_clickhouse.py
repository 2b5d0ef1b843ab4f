"""Whether ClickHouse can take the log: reached, its tables of this version, room on its disks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from app.doctor.check_settings import FEW_BYTES, GIB, NO_BYTES
from app.doctor.facts import ClickHouse, Disk, Kafka, KafkaAway, Span, Stored
from app.doctor.finding import Finding, Unknown, counted, listed, unchecked
from app.log.start import MadeAnew, where_to_go_on
from app.settings import Settings

_FEW_SHARE = 0.05
_NAMED = {
    "missing": "its tables",
    "retention": "how long rows are kept",
    "disks": "its disks",
    "broken_views": "its views",
    "stored": "what is stored",
}


def check_clickhouse(
    clickhouse: ClickHouse | Unknown, kafka: Kafka | KafkaAway, settings: Settings
) -> list[Finding]:
    """What keeps rows from being stored or found."""
    if isinstance(clickhouse, Unknown):
        return [_away(clickhouse)]
    if not clickhouse.has_database:
        return [_no_database(clickhouse.database)]
    found = [*_tables(clickhouse), *_retention(clickhouse), *_disks(clickhouse), *_views(clickhouse)]
    if isinstance(kafka, Kafka) and not isinstance(clickhouse.stored, Unknown):
        found += _stored(clickhouse.stored, kafka, settings)
    if not found:
        found.append(_fine(clickhouse))
    for field in fields(clickhouse):
        fact = getattr(clickhouse, field.name)
        if field.name in _NAMED and isinstance(fact, Unknown):
            found.append(unchecked("ClickHouse", _NAMED[field.name], fact))
    return found


def _away(fact: Unknown) -> Finding:
    return Finding(
        "ClickHouse",
        "fail",
        "ClickHouse cannot be asked",
        f"{fact.why}. Postbacks leave all the same; LOG waits, and Kafka keeps the records for "
        "POSTBACKS_REQUESTS_RETENTION_DAYS.",
        "Start it, or set POSTBACKS_CLICKHOUSE (http://user:password@host:8123/database).",
    )


def _no_database(name: str) -> Finding:
    return Finding(
        "ClickHouse",
        "fail",
        f"there is no database {name}",
        "LOG stores nothing without its tables.",
        "`postbacks migrate`, or name another in POSTBACKS_CLICKHOUSE",
    )


def _fine(clickhouse: ClickHouse) -> Finding:
    newest = "" if isinstance(clickhouse.stored, Unknown) else clickhouse.stored.newest
    rows = f"; newest row {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else ""
    return Finding(
        "ClickHouse", "ok", f"version {clickhouse.version} answers, its tables are of this version{rows}"
    )


def _tables(clickhouse: ClickHouse) -> Iterator[Finding]:
    if isinstance(clickhouse.missing, Unknown) or not clickhouse.missing:
        return
    yield Finding(
        "ClickHouse",
        "fail",
        f"tables of {listed(list(clickhouse.missing))} are missing",
        "LOG stores nothing until they are there.",
        "`postbacks migrate`",
    )


def _retention(clickhouse: ClickHouse) -> Iterator[Finding]:
    if isinstance(clickhouse.retention, Unknown) or not clickhouse.retention:
        return
    yield Finding(
        "ClickHouse",
        "warn",
        "rows are kept for another time than POSTBACKS_LOG_TTL_DAYS says, in "
        f"{listed(list(clickhouse.retention))}",
        do="`postbacks migrate`",
    )


def _disks(clickhouse: ClickHouse) -> Iterator[Finding]:
    for disk in [] if isinstance(clickhouse.disks, Unknown) else clickhouse.disks:
        if _is_full(disk):
            yield Finding(
                "ClickHouse",
                "fail" if disk.free_bytes < NO_BYTES else "warn",
                f"disk {disk.name!r} of ClickHouse has {disk.free_bytes / GIB:.1f} GiB free "
                f"of {disk.total_bytes / GIB:.0f}",
                "A full disk stops merges and then inserts.",
                "Make room, or keep rows for less: POSTBACKS_LOG_TTL_DAYS, then `postbacks migrate`",
            )


def _is_full(disk: Disk) -> bool:
    return disk.free_bytes < max(FEW_BYTES, _FEW_SHARE * disk.total_bytes)


def _views(clickhouse: ClickHouse) -> Iterator[Finding]:
    for name, fault in (
        {} if isinstance(clickhouse.broken_views, Unknown) else clickhouse.broken_views.items()
    ):
        yield Finding(
            "ClickHouse",
            "warn",
            f"view {name} cannot refresh: the statistics stand still",
            fault,
            f"Correct what it says, then `SYSTEM REFRESH VIEW {name}` in ClickHouse.",
        )


def _stored(stored: Stored, kafka: Kafka, settings: Settings) -> Iterator[Finding]:
    group = kafka.groups.get("log")
    if isinstance(kafka.spans, Unknown) or group is None or isinstance(group, Unknown):
        return
    topic = settings.topics.log.name
    spans = {number: span for (name, number), span in kafka.spans.items() if name == topic}
    for number, span in spans.items():
        highest, committed = stored.highest.get(number), group.committed.get((topic, number))
        if committed is not None and committed > span.end:
            continue  # told of the workers
        start = where_to_go_on(topic, number, highest=highest, committed=committed, end=span.end)
        if isinstance(start, MadeAnew):
            yield Finding(
                "ClickHouse",
                "fail",
                f"{topic} was made anew: partition {number} ends at {span.end}, rows reach to "
                f"{highest.offset if highest else committed}",
                "LOG stops rather than skip as many records as were stored before.",
                "Set another POSTBACKS_PREFIX, or another database in POSTBACKS_CLICKHOUSE, or "
                "empty the tables.",
            )
            return
    yield from _another_database(stored, spans, sum(group.committed.get((topic, n), 0) for n in spans), topic)


def _another_database(
    stored: Stored, spans: dict[int, Span], committed: int, topic: str
) -> Iterator[Finding]:
    held = sum(span.end - span.begin for span in spans.values())
    if committed and held and not stored.highest:
        yield Finding(
            "ClickHouse",
            "warn",
            f"this database has no row, and LOG has stored {counted(committed, 'record')} of {topic}",
            "The workers write to another database than this one, or it was emptied.",
            "Compare POSTBACKS_CLICKHOUSE here with the workers'.",
        )
