"""Fifty thousand flows in a worker: how long they take to load, memory, what the change of one costs.

python -m tests.bench.flows_cost [--flows 50000]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator

from tests.bench.cost import cpu_s, rss_mib
from tests.bench.ours import Ours, flow, ours
from tests.bench.stage import broker
from tests.kafka import Kafka
from tests.workers import until

_CHANGES = 200
_CALM_S = 2.0


async def table_of(kafka: Kafka, flows: int = 50_000) -> str:
    """Load one flow, then all, then change some; the table for a document."""
    async with ours(kafka, *_flows(1)) as one:
        alone = await _started(one)
    async with ours(kafka, *_flows(flows)) as made:
        loaded = await _started(made)
        memory = rss_mib(made.pids)
        changed_us, seen_ms = await _changed(made, flows)
    rows = [
        ("worker ready with one flow", f"{alone[0]:.1f} s, {alone[1]:.1f} s of CPU"),
        (f"worker ready with {flows:,}", f"{loaded[0]:.1f} s, {loaded[1]:.1f} s of CPU"),
        ("CPU of loading a flow", f"{(loaded[1] - alone[1]) / flows * 1e6:.0f} µs"),
        ("resident memory", f"{memory:.0f} MiB"),
        ("CPU of one change among them", f"{changed_us:.0f} µs"),
        ("from writing a change to its being held", f"{seen_ms:.0f} ms"),
    ]
    return "\n".join([f"| {flows:,} flows | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])


def _flows(count: int, version: str = "a") -> Iterator[dict[str, object]]:
    for number in range(count):
        host = f"https://t{number % 1000}.example/{version}/{number}"
        yield flow(f"{host}?c={{click}}&s={{status}}&p={{price}}&u={{ua}}", f"F-{number}")


async def _started(made: Ours) -> tuple[float, float]:
    """Seconds until it was ready, and of its CPU."""
    began_s = time.perf_counter()
    await made.start("join", timeout_s=200)
    return time.perf_counter() - began_s, cpu_s(made.pids)


async def _changed(made: Ours, flows: int) -> tuple[float, float]:
    """CPU µs of one change, an idle worker's taken off; and ms until the last of some changes was held."""
    idle = await _spent_in(made, _CALM_S)
    worker, before = made.workers[-1], cpu_s(made.pids)
    began_s = time.perf_counter()
    await made.apply(_flows(_CHANGES, "b"))
    wanted = flows + _CHANGES - 1
    await until(lambda: worker.metric("postbacks_flows_offset") >= wanted, "the changes held")
    seen_s = time.perf_counter() - began_s
    await asyncio.sleep(_CALM_S - seen_s)
    return (cpu_s(made.pids) - before - idle) / _CHANGES * 1e6, seen_s * 1000


async def _spent_in(made: Ours, seconds: float) -> float:
    before = cpu_s(made.pids)
    await asyncio.sleep(seconds)
    return cpu_s(made.pids) - before


def main(flows: int) -> str:
    """The table of so many flows."""
    with broker() as kafka:
        return asyncio.run(table_of(kafka, flows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=50_000)
    print(main(parser.parse_args().flows))
