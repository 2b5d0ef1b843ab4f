"""Clocks that differ: ours, ClickHouse's, those of producers; and local time that is sent as UTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import median

from app.doctor.facts import ClickHouse, Sampled
from app.doctor.finding import Finding, Unknown, counted, unchecked
from app.leads.events import decode
from app.leads.malformed import Malformed

FEW_MS, MANY_MS = 2_000, 60_000
"""Clocks that differ by more than the one are doubtful, by more than the other wrong."""
_QUARTER_MS = 900_000  # time zones differ by quarters of an hour
_LEAST_ZONE_MS = 1_800_000
_NEAR_MS = 60_000
_FEWEST = 5


def check_clocks(
    now_ms: int, sample: Sequence[Sampled] | Unknown, clickhouse: ClickHouse | Unknown
) -> list[Finding]:
    """Clocks that differ from this machine's."""
    found: list[Finding] = []
    if isinstance(sample, Unknown):
        found.append(unchecked("clocks", "clocks of producers", sample))
    else:
        found += [*_ahead(now_ms, sample), *_zones(sample)]
    if isinstance(clickhouse, Unknown):
        found.append(unchecked("clocks", "ClickHouse's clock", clickhouse))
    else:
        found += _skewed(clickhouse)
    compared = [] if isinstance(sample, Unknown) or not sample else ["the newest lead events"]
    compared += [] if isinstance(clickhouse, Unknown) else ["ClickHouse"]
    if compared and not any(finding.level in ("warn", "fail") for finding in found):
        found.insert(0, Finding("clocks", "ok", f"this machine agrees with {' and '.join(compared)}"))
    return found


def _ahead(now_ms: int, sample: Sequence[Sampled]) -> Iterator[Finding]:
    ahead = [record for record in sample if record.timestamp_ms > now_ms + FEW_MS]
    if ahead:
        most = max(ahead, key=lambda record: record.timestamp_ms)
        by_ms = most.timestamp_ms - now_ms
        yield Finding(
            "clocks",
            "fail" if by_ms > MANY_MS else "warn",
            f"{counted(len(ahead), 'lead event')} of the newest {len(sample)} are from the future, "
            f"by up to {_span(by_ms)}",
            f"Such as partition {most.partition}, offset {most.offset}, of "
            f"{_time(most.timestamp_ms)}: the clock "
            "of a producer is fast, or this machine's is slow. Retention, deadlines and lateness go by it.",
            "Set the clocks by NTP: `timedatectl status` on both machines",
        )


def _zones(sample: Sequence[Sampled]) -> Iterator[Finding]:
    """Events that all claim to have occurred hours before or behind the moment when they were written."""
    apart = [
        occurred - record.timestamp_ms
        for record in sample
        if not isinstance(event := decode(record.value), Malformed)
        and (occurred := event.occurred_ms()) is not None
    ]
    if len(apart) < _FEWEST:
        return
    shift = round(median(apart) / _QUARTER_MS) * _QUARTER_MS
    like = [ms for ms in apart if abs(ms - shift) <= _NEAR_MS]
    if abs(shift) >= _LEAST_ZONE_MS and len(like) >= 0.8 * len(apart):
        ahead = "ahead of" if shift > 0 else "behind"
        effect = "so the record's own time is taken" if shift > 0 else "so deadlines are shorter by that"
        yield Finding(
            "clocks",
            "warn",
            f"occurred_at is {_span(abs(shift))} {ahead} the time of writing, in {len(like)} of "
            f"{len(apart)} events",
            f"It looks like local time that is sent as UTC, {effect}, and beside other producers "
            "statuses are late.",
            'Send occurred_at in UTC or with its offset, such as "2026-11-23T15:00:00+02:00".',
        )


def _skewed(clickhouse: ClickHouse) -> Iterator[Finding]:
    by_ms = abs(clickhouse.skew_ms) - clickhouse.within_ms
    if by_ms > FEW_MS:
        ahead = "ahead of" if clickhouse.skew_ms > 0 else "behind"
        yield Finding(
            "clocks",
            "fail" if by_ms > MANY_MS else "warn",
            f"ClickHouse's clock is {_span(abs(clickhouse.skew_ms))} {ahead} this machine's",
            "Rows expire by ClickHouse's clock, and `--since` is reckoned by this one.",
            "Set the clocks by NTP: `timedatectl status` on both machines",
        )


def _span(ms: float) -> str:
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    return (
        f"{ms / 60_000:.0f} min" if ms < 3_600_000 else f"{ms / 3_600_000:.2f}".rstrip("0").rstrip(".") + " h"
    )


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
