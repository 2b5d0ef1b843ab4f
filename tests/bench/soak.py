"""Whether anything grows: minutes at a share of full load, with errors and a hanging host.

    python -m tests.bench.soak [--minutes 10] [--rate 2000]

A hundred flows send to hosts of their own; one host hangs, and one in a hundred answers of the others is a
503. Each half minute prints memory, CPU, lag, and the times to the first arrival in it; they must stay flat.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from tests.bench.cost import cpu_s, rss_mib
from tests.bench.dead import HOSTS, flows
from tests.bench.ours import Ours, ours
from tests.bench.sinks import Receiver, receiver
from tests.bench.stage import broker
from tests.kafka import Kafka

_STEP_S = 30.0
_HEAD = "| minute | MiB | cores | lag | deliveries/s | p50 ms | p99 ms |"


async def run(kafka: Kafka, sink: Receiver, minutes: float, rate: float) -> None:
    """Print a row each half minute."""
    async with ours(kafka, *flows(sink, dead=1)) as made:
        with made.drained():
            await made.start("join,outbound")
            sink.reset(0, errors=100)
            load = made.produce(round(rate * 60 * minutes), rate, flows=HOSTS)
            print(_HEAD, "| --- | --- | --- | --- | --- | --- | --- |", sep="\n", flush=True)
            began_s = time.perf_counter()
            while load.poll() is None:
                print(await _row(made, sink, began_s), flush=True)


async def _row(made: Ours, sink: Receiver, began_s: float) -> str:
    before_s, from_s, before = cpu_s(made.pids), time.perf_counter(), sink.received()
    await asyncio.sleep(_STEP_S)
    seen, wall_s = sink.received(skip=before.times), time.perf_counter() - from_s
    cores = (cpu_s(made.pids) - before_s) / wall_s
    lag = await made.lag("join,outbound")
    minute = (time.perf_counter() - began_s) / 60
    figures = f"{rss_mib(made.pids):.0f} | {cores:.2f} | {lag} | {(seen.count - before.count) / wall_s:.0f}"
    return f"| {minute:.1f} | {figures} | {seen.p50_ms:.1f} | {seen.p99_ms:.1f} |"


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=2_000.0, help="lead events a second")
    asked = parser.parse_args()
    with broker() as kafka, receiver(HOSTS) as sink:
        asyncio.run(run(kafka, sink, asked.minutes, asked.rate))


if __name__ == "__main__":
    main()
