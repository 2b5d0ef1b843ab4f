"""What our pipeline costs: `python -m tests.bench.pipeline`.

On Apache Kafka, with a cheap receiver and `postbacks worker` as a process of its own: CPU µs per delivery
(user and system time of all its threads and children; the start and a warm-up are left out), deliveries a
second, and at a steady rate the time from an event's making to its arrival at the receiver. All guarantees
are on: lead table on RocksDB with its changelog, ledger, log records, a secret in a header, address guard,
limits per host, metrics.

    python -m tests.bench.pipeline                             full load, join and outbound in one process
    python -m tests.bench.pipeline --rate 500 --events 20000   a steady rate: latencies count
    python -m tests.bench.pipeline --delay-ms 50               the receiver answers after 50 ms
    python -m tests.bench.pipeline --workers 2                 two such processes
    python -m tests.bench.pipeline --roles join                one role alone: join, outbound or log
    python -m tests.bench.pipeline --profile                   and where its CPU goes

A role alone reads what the roles before it have made of the same events, in another process: only its own
CPU is in its figure. For `log` an event is a row, and the engine's CPU is told beside.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.bench.measure import Load, median
from tests.bench.ours import run_ours
from tests.bench.profiles import told
from tests.bench.sinks import receiver
from tests.bench.stage import broker


def main() -> None:
    """Measure as the arguments say, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--rate", type=float, default=0.0, help="events a second; 0: full load")
    parser.add_argument("--delay-ms", type=int, default=0, help="how long the receiver takes")
    parser.add_argument(
        "--roles", default="join,outbound", help="join,outbound or one of join, outbound, log"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postbacks-bench-") as folder:
        asyncio.run(_run(asked, Path(folder)))


async def _run(asked: argparse.Namespace, folder: Path) -> None:
    stacks = folder / "stacks" if asked.profile else None
    load = Load(asked.events, asked.rate, asked.delay_ms)
    costs = []
    with broker() as kafka, receiver() as sink:
        for _ in range(asked.repeat):
            costs.append(await run_ours(kafka, sink, load, asked.roles, asked.workers, stacks))
            print(costs[-1].line(), flush=True)
    if asked.repeat > 1:
        print(f"median: {median(costs).line()}")
    if stacks:
        print(told(stacks.read_text()))


if __name__ == "__main__":
    main()
