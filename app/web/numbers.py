"""Numbers and times as people read them. Pure."""

from __future__ import annotations

from datetime import datetime


def number(value: float | None) -> str:
    """A number with three digits that count, at most; a dash for none."""
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:,.0f}"


def count_of(value: int) -> str:
    """A count, its thousands set apart."""
    return f"{value:,}"


def ms(value: float | None) -> str:
    """A duration in the unit that fits: `340 ms`, `2.4 s`, `3 min`, `5 h`; a dash for none."""
    if value is None:
        return "–"
    for size, unit in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:.3g} ms" if value < 1 else f"{value:.0f} ms"


def day(moment: datetime) -> str:
    """The date of a time: `24 Nov`; with the year it would be as long as what it stands beside."""
    return f"{moment.day} {moment:%b}"


def time_of_day(moment: datetime) -> str:
    """The time to the millisecond."""
    return moment.strftime("%H:%M:%S.%f")[:-3]
