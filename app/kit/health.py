"""What a worker tells of the machine it runs on: room on its disk, and whether its event loop keeps up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage

from app.kit.metrics import DISK_FREE, DISK_SIZE, LOOP_LAG_S

_TURN_S = 0.25


def tell_disk(folder: Path) -> None:
    """Tell from now on how much room is left where `folder` lies; not a number while nobody can say."""
    DISK_FREE.set_function(_or_unknown(lambda: disk_usage(folder).free))
    DISK_SIZE.set_function(_or_unknown(lambda: disk_usage(folder).total))


def _or_unknown(ask: Callable[[], int]) -> Callable[[], float]:
    def told() -> float:
        try:
            return ask()
        except OSError:
            return math.nan

    return told


async def tell_loop_lag() -> None:
    """Ask for a turn four times a second and tell how late each came, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + _TURN_S
        await asyncio.sleep(_TURN_S)
        LOOP_LAG_S.observe(max(0.0, loop.time() - due_s))
