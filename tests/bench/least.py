"""CPU time of small pure functions: the least of several repeats, so that a busy machine spoils no figure."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

REPEATS = 7


def cpu_us(call: Callable[[Item], object], items: Sequence[Item], repeats: int = REPEATS) -> float:
    """CPU µs for `call` of one item: the least mean of `repeats` passes over the items."""
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            begin = time.process_time()
            for item in items:
                call(item)
            best = min(best, time.process_time() - begin)
    finally:
        gc.enable()
    return best / len(items) * 1e6


def table(rows: Iterable[tuple[str, float]]) -> str:
    """Rows of a name and µs, aligned."""
    return "\n".join(f"{name:<46}{us:8.2f}" for name, us in rows)
