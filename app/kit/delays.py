"""Delays as settings and names of topics write them: `5s`, `1m`, `6h`, `2d`."""

from __future__ import annotations

import re

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DELAY = re.compile(r"([1-9][0-9]{0,6})([smhd])")


def delay_ms(text: str) -> int | None:
    """A delay in milliseconds; None for a text that is none."""
    found = _DELAY.fullmatch(text)
    return int(found[1]) * _UNITS_MS[found[2]] if found else None
