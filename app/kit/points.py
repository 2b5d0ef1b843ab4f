"""Named points between two effects, where the fault tests stop the process.

`reach` does nothing in production; `tests/faults` sets `on_reach`.
"""

from __future__ import annotations

from collections.abc import Callable

on_reach: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Say that the process stands between two effects, by the point's name."""
    if on_reach is not None:
        on_reach(point)
