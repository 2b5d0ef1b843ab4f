"""A steady pace: so many turns a second, none saved up."""

from __future__ import annotations

import asyncio


class Pace:
    """`await pace.turn()` returns at most `per_s` times a second."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now_s = asyncio.get_running_loop().time()
        self._next_s = max(self._next_s, now_s)
        await asyncio.sleep(self._next_s - now_s)
        self._next_s += 1 / self._per_s
