"""Ours and the peer under the same load, by turns: `python -m tests.bench.pairs full` (slow, steady).

`full` is full load with a receiver that answers at once, `slow` with one that takes 50 ms, `steady` is 500
events a second. Each pipeline runs `repeat` times, all by turns, so what the machine does besides meets all;
a figure is the median, with the least and the most of it beside.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from tests.bench.measure import Cost, Load, median
from tests.bench.ours import run_ours
from tests.bench.rival import ONE_HOP, THREE_HOPS, TWO_PROCESSES, run_rival
from tests.bench.sinks import Receiver, receiver
from tests.bench.stage import broker
from tests.kafka import Kafka

Run = Callable[[Kafka, Receiver, Load], Awaitable[Cost]]
PEER = f"Benthos, {THREE_HOPS}"
OURS = "ours"


def _rival(what: str) -> Run:
    return lambda kafka, sink, load: run_rival(kafka, sink, load, what)


def _ours(workers: int) -> Run:
    return lambda kafka, sink, load: run_ours(kafka, sink, load, workers=workers)


_RUNS: dict[str, Run] = {
    PEER: _rival(THREE_HOPS),
    OURS: _ours(1),
    "ours, two processes": _ours(2),
    f"Benthos, {TWO_PROCESSES}": _rival(TWO_PROCESSES),
    f"Benthos, {ONE_HOP}": _rival(ONE_HOP),
}


@dataclass(frozen=True)
class Pair:
    """A load, and how many of the pipelines run under it."""

    title: str
    load: Load
    pipelines: int
    repeat: int


PAIRS = {
    "full": Pair("full load, receiver at 0 ms", Load(40_000), 5, 3),
    "slow": Pair("full load, receiver at 50 ms", Load(40_000, delay_ms=50), 4, 3),
    "steady": Pair("500 events/s, receiver at 0 ms", Load(20_000, rate=500), 2, 2),
}


async def by_turns(pair: Pair, kafka: Kafka, sink: Receiver) -> dict[str, list[Cost]]:
    """Run all pipelines of the pair by turns; what each run of them cost."""
    names = list(_RUNS)[: pair.pipelines]
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(pair.repeat):
        for name in names:
            costs[name].append(await _RUNS[name](kafka, sink, pair.load))
            print(f"  {name}: {costs[name][-1].line()}", flush=True)
    return costs


def ratio(costs: dict[str, list[Cost]]) -> float:
    """Our CPU per delivery as a multiple of the peer's three hops."""
    return median(costs[OURS]).cpu_us / median(costs[PEER]).cpu_us


def told(pair: Pair, costs: dict[str, list[Cost]]) -> str:
    """The table of these costs: medians, spreads, and CPU as a multiple of the peer's three hops."""
    title, has_latency, peer = pair.title, bool(pair.load.rate), median(costs[PEER])
    latency = " p50 ms | p99 ms |" if has_latency else ""
    lines = [f"| {title} | CPU µs (spread) | × three hops | deliveries/s |{latency} MiB |"]
    lines.append("| --- |" + " --- |" * (6 if has_latency else 4))
    for name, some in costs.items():
        one = median(some)
        cells = [name, f"{one.cpu_us:.0f} ({spread([cost.cpu_us for cost in some])})"]
        cells += [f"{one.cpu_us / peer.cpu_us:.2f}", f"{one.per_s:.0f}"]
        if has_latency:
            cells += [_with_ratio(one.p50_ms, peer.p50_ms), _with_ratio(one.p99_ms, peer.p99_ms)]
        lines.append(f"| {' | '.join([*cells, f'{one.rss_mib:.0f}'])} |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """The least and the most."""
    return f"{min(values):.0f}–{max(values):.0f}"


def _with_ratio(value: float, peer: float) -> str:
    return f"{value:.1f} ({value / peer:.1f}×)" if peer else f"{value:.1f}"


def main() -> None:
    """Run the pair that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pair", choices=PAIRS)
    parser.add_argument("--repeat", type=int, default=0, help="instead of the pair's own")
    parser.add_argument("--pipelines", type=int, default=0, help="of the table's rows the first so many")
    asked = parser.parse_args()
    pair = PAIRS[asked.pair]
    pair = replace(pair, repeat=asked.repeat or pair.repeat, pipelines=asked.pipelines or pair.pipelines)
    with broker() as kafka, receiver() as sink:
        costs = asyncio.run(by_turns(pair, kafka, sink))
    print(f"\n{told(pair, costs)}")


if __name__ == "__main__":
    main()
