"""What dead targets take from the others: `python -m tests.bench.dead`.

The flows send to a hundred hosts of which 0, 1, 20 or 99 never answer (10 s time-out, the settings as they
are shipped). Told are, at full load, deliveries to the living per second of CPU (what is put off, tried again
and given up on counts as cost, not as delivery) and the lead events behind them, and at 500 events/s the time
from event to wire of the living.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.measure import Cost, Load, measure, with_latencies
from tests.bench.ours import MACROS, Ours, flow, ours
from tests.bench.sinks import Receiver, receiver
from tests.bench.stage import broker
from tests.kafka import Kafka

HOSTS = 100
SHARES = (0, 1, 20, 99)
_SHIPPED = {"max_in_flight": "256", "max_per_host": "32"}
_FULL = Load(20_000)
_STEADY = Load(10_000, rate=500)
_WARM_UP = 500


@dataclass(frozen=True)
class Living:
    """What the living saw with so many of a hundred dead."""

    dead: int
    per_core: float
    events_per_core: float
    p50_ms: float
    p99_ms: float
    sent_twice: int


async def run_with(kafka: Kafka, sink: Receiver, dead: int) -> Living:
    """Full load, then a steady one."""
    async with ours(kafka, *flows(sink, dead), **_SHIPPED) as made:
        with made.drained():
            await made.start("join,outbound")
            full = await _brought(made, sink, _FULL, dead, 0)
            steady = await _brought(made, sink, _STEADY, dead, _FULL.events)
    per_core = 1e6 / full.cpu_us
    return Living(
        dead,
        per_core,
        per_core * HOSTS / (HOSTS - dead),
        steady.p50_ms,
        steady.p99_ms,
        full.dups + steady.dups,
    )


def flows(sink: Receiver, dead: int) -> Iterator[dict[str, object]]:
    """A flow for each host; the first `dead` of them hang."""
    port = sink.address.rpartition(":")[2]
    for number in range(1, HOSTS + 1):
        path = "hang" if number <= dead else "pb"
        yield flow(f"http://127.0.1.{number}:{port}/{path}?{MACROS}", f"F-{number}")


async def _brought(made: Ours, sink: Receiver, load: Load, dead: int, start: int) -> Cost:
    """The cost of each delivery to the living."""
    living = load.events * (HOSTS - dead) // HOSTS
    sink.reset(0)

    async def all_arrived() -> bool:
        return sink.count() >= living and await made.lag("join") == 0

    cost = await measure(
        made.pids, lambda: made.produce(load.events, load.rate, start, flows=HOSTS), all_arrived, living
    )
    return with_latencies(cost, sink, load)


async def table_of(kafka: Kafka, sink: Receiver) -> str:
    """The table for a document."""
    head = "| dead of 100 targets | deliveries/s per core | lead events/s per core | p50 ms | p99 ms |"
    lines = [head, "| --- | --- | --- | --- | --- |"]
    for dead in SHARES:
        one = await run_with(kafka, sink, dead)
        assert not one.sent_twice, f"{one.sent_twice} sent twice"
        figures = f"{one.per_core:.0f} | {one.events_per_core:.0f} | {one.p50_ms:.1f} | {one.p99_ms:.1f}"
        lines.append(f"| {dead} | {figures} |")
        print(f"  {lines[-1]}", flush=True)
    return "\n".join(lines)


def main() -> str:
    """Run all of it."""
    with broker() as kafka, receiver(HOSTS) as sink:
        return asyncio.run(table_of(kafka, sink))


if __name__ == "__main__":
    print(main())
