"""One measured run of a pipeline, ours or the peer's: all of a load goes through, CPU is read around it."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tests.bench.cost import cpu_s, rss_mib
from tests.bench.profiles import recording
from tests.bench.sinks import Receiver

WARM_UP = 1_000
_STEP_S = 0.1


@dataclass(frozen=True)
class Load:
    """What is asked of a pipeline; a `rate` of 0 is full load."""

    events: int = 40_000
    rate: float = 0.0
    delay_ms: int = 0


@dataclass(frozen=True)
class Cost:
    """What one run cost: CPU for each event, Kafka's and ClickHouse's too; times in ms, memory in MiB."""

    cpu_us: float
    per_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    rss_mib: float = 0.0
    engine_us: float = 0.0
    broker_us: float = 0.0
    dups: int = 0

    def line(self) -> str:
        """All of it for a person."""
        parts = [f"{self.cpu_us:.1f} µs CPU each, {self.per_s:.0f}/s, {self.rss_mib:.0f} MiB"]
        if self.p99_ms:
            parts.append(f"event to wire p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms")
        if self.engine_us:
            parts.append(f"ClickHouse {self.engine_us:.1f} µs")
        if self.broker_us:
            parts.append(f"Kafka {self.broker_us:.1f} µs")
        if self.dups:
            parts.append(f"{self.dups} SENT TWICE")
        return "; ".join(parts)


def median(costs: Sequence[Cost]) -> Cost:
    """Each figure's median by itself; what was sent twice is added up."""
    middle = {
        name.name: statistics.median(getattr(cost, name.name) for cost in costs) for name in fields(Cost)
    }
    return Cost(**middle | {"dups": sum(cost.dups for cost in costs)})


async def measure(
    pids: Sequence[int],
    produce: Callable[[], subprocess.Popen[bytes]],
    is_done: Callable[[], Awaitable[bool]],
    events: int,
    *,
    broker: Sequence[int] = (),
    engine: Sequence[int] = (),
    profile: Path | None = None,
    timeout_s: float = 220,
) -> Cost:
    """Start the load, wait until all is done; `pids` are measured, `broker` and `engine` told beside.

    With `profile` the first process's stacks are sampled into that file (which costs time).
    Raises `RuntimeError` when the load fails, `TimeoutError` when the end does not come.
    """
    with recording(pids[0], profile) if profile else nullcontext():
        began_s, before = time.perf_counter(), [cpu_s(some) for some in (pids, broker, engine)]
        async with asyncio.timeout(timeout_s):
            await ended(produce())
            while not await is_done():
                await asyncio.sleep(_STEP_S)
        after, wall_s = [cpu_s(some) for some in (pids, broker, engine)], time.perf_counter() - began_s
    own_us, broker_us, engine_us = ((b - a) / events * 1e6 for a, b in zip(before, after, strict=True))
    per_s, memory = events / wall_s, rss_mib(pids)
    return Cost(own_us, per_s, rss_mib=memory, engine_us=engine_us, broker_us=broker_us)


def with_latencies(cost: Cost, sink: Receiver, load: Load) -> Cost:
    """The same with what the receiver saw: its rate, and at a steady rate times, the first tenth left out."""
    seen = sink.received(skip=load.events // 10)
    latencies = {"p50_ms": seen.p50_ms, "p99_ms": seen.p99_ms} if load.rate else {}
    return Cost(**asdict(cost) | latencies | {"per_s": seen.count / seen.wall_s, "dups": seen.dups})


async def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program's end. Raises `RuntimeError` when it failed."""
    if status := await asyncio.to_thread(process.wait):
        raise RuntimeError(f"{process.args!r} ended with {status}")
