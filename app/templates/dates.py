"""Moments as texts: the filters `ms`, `iso` and `date`.

Times are Unix milliseconds, fractions of a millisecond cut. The names of days and months are English
whatever the machine speaks, and zones come from the `tzdata` package whatever files the machine has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache, partial

from app.leads.instant import unix_ms
from app.templates.numbers import whole_thousands
from app.templates.values import Moment, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def to_ms(value: Value) -> int | None:
    """The Unix milliseconds of a moment, a number of Unix seconds or an ISO 8601 text; otherwise None."""
    if isinstance(value, Moment):
        return value.ms
    if isinstance(value, str):
        return unix_ms(value)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value * 1000
    return whole_thousands(Decimal(repr(value)) if isinstance(value, float) else value)


def _without_leap_second(clock: str) -> tuple[str, int]:
    if clock[5:8] == ":60":
        return clock[:5] + ":59" + clock[8:], 1000
    return clock, 0


def at_ms(ms: int, zone: tzinfo) -> datetime | None:
    """The date and time in a zone; None outside the years 1 to 9999."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
    except OverflowError:
        return None


def iso_text(ms: int) -> str | None:
    """`2026-11-23T15:00:00Z`; None outside the years 1 to 9999."""
    moment = at_ms(ms, UTC)
    return None if moment is None else _day(moment) + "T" + _clock(moment) + "Z"


def _day(moment: datetime) -> str:
    return f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"


def _clock(moment: datetime) -> str:
    return f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"


def _offset(moment: datetime, colon: str) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{seconds // 3600:02d}{colon}{seconds // 60 % 60:02d}"
    return text + f"{colon}{seconds % 60:02d}" if seconds % 60 else text


_CODES: dict[str, Callable[[datetime], str]] = {
    "Y": lambda m: f"{m.year:04d}",
    "y": lambda m: f"{m.year % 100:02d}",
    "m": lambda m: f"{m.month:02d}",
    "d": lambda m: f"{m.day:02d}",
    "H": lambda m: f"{m.hour:02d}",
    "I": lambda m: f"{m.hour % 12 or 12:02d}",
    "M": lambda m: f"{m.minute:02d}",
    "S": lambda m: f"{m.second:02d}",
    "f": lambda m: f"{m.microsecond:06d}",
    "p": lambda m: "AM" if m.hour < 12 else "PM",
    "j": lambda m: f"{m.timetuple().tm_yday:03d}",
    "a": lambda m: _DAYS[m.weekday()][:3],
    "A": lambda m: _DAYS[m.weekday()],
    "b": lambda m: _MONTHS[m.month - 1][:3],
    "B": lambda m: _MONTHS[m.month - 1],
    "z": lambda m: _offset(m, ""),
    ":z": lambda m: _offset(m, ":"),
    "Z": lambda m: m.tzname() or "UTC",
    "F": _day,
    "T": _clock,
    "s": lambda m: str((m - _EPOCH) // timedelta(seconds=1)),
}

_CODE_LIST = " ".join(f"%{code}" for code in (*_CODES, "%"))


def _literal(text: str, _: datetime) -> str:
    return text


def _pieces(form: str) -> Iterator[Callable[[datetime], str]]:
    while form:
        literal, mark, form = form.partition("%")
        yield partial(_literal, literal)
        code = form[:2] if form[:1] == ":" else form[:1]
        if code == "%":
            yield lambda _: "%"
        elif code in _CODES:
            yield _CODES[code]
        elif mark:
            raise ValueError(f'"%{code}" is no date code; the codes are {_CODE_LIST}')
        form = form[len(code) :]


def date_printer(form: str, zone: tzinfo) -> Callable[[int], str | None]:
    """Compile a `date` format: Unix milliseconds in, text out, None outside the years 1 to 9999.

    Raises `ValueError` with the reason for a code that is not one of ours.
    """
    pieces = [*_pieces(form)]

    def printed(ms: int) -> str | None:
        moment = at_ms(ms, zone)
        return None if moment is None else "".join([piece(moment) for piece in pieces])

    return printed


@lru_cache(maxsize=64)
def read_zone(name: str) -> tzinfo:
    """The IANA time zone of that name, from the `tzdata` package.

    Raises `ValueError` with the reason for an unknown one.
    """
    if name == "UTC":
        return UTC
    from importlib import resources  # late: most templates name no zone
    from zoneinfo import ZoneInfo

    names = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    if name not in names:
        raise ValueError(f'unknown time zone "{name}": an IANA name such as Europe/Kyiv is wanted')
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
