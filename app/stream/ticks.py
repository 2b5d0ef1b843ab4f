"""Ticks at which what nobody waits for is written, by all of a process at once: one request to a broker.

aiokafka has one produce request on its way to a broker at a time, so what can wait also makes room for what
cannot.
"""

from __future__ import annotations

import asyncio

_TICK_S = 0.02


def next_tick(now_s: float) -> float:
    """The time of the next tick, on the event loop's clock."""
    return (now_s // _TICK_S + 1) * _TICK_S


async def tick() -> None:
    """Wait for the next tick."""
    now_s = asyncio.get_running_loop().time()
    await asyncio.sleep(next_tick(now_s) - now_s)
