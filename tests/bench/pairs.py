"""Ours and the peer under the same load, by turns, as a table with ratios: `full`, `slow` and `steady`.

`full` is full load with a receiver that answers at once, `slow` with one that takes 50 ms, `steady` is 500
events a second. Each pipeline runs `repeat` times, all by turns, so what the machine does besides meets all;
a figure is the median, with the least and the most of it beside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.bench.measure import Cost, Load, median
from tests.bench.ours import run_ours
from tests.bench.rival import ONE_HOP, THREE_HOPS, TWO_PROCESSES, run_rival
from tests.bench.sinks import Receiver
from tests.kafka import Kafka

Run = Callable[[Kafka, Receiver, Load], Awaitable[Cost]]
_PEER = f"Benthos, {THREE_HOPS}"
_OURS = "ours"


def _rival(what: str) -> Run:
    return lambda kafka, sink, load: run_rival(kafka, sink, load, what)


def _ours(workers: int) -> Run:
    return lambda kafka, sink, load: run_ours(kafka, sink, load, workers=workers)


_RUNS: dict[str, Run] = {
    _PEER: _rival(THREE_HOPS),
    _OURS: _ours(1),
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


async def table_of(pair: Pair, kafka: Kafka, sink: Receiver) -> str:
    """Run the pair, all pipelines by turns; the table for a document."""
    names = list(_RUNS)[: pair.pipelines]
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(pair.repeat):
        for name in names:
            costs[name].append(await _RUNS[name](kafka, sink, pair.load))
            print(f"  {pair.title}; {name}: {costs[name][-1].line()}", flush=True)
    return told(pair.title, costs, has_latency=bool(pair.load.rate))


def told(title: str, costs: dict[str, list[Cost]], *, has_latency: bool) -> str:
    """The table of these costs: medians, spreads, and CPU as a multiple of the peer's three hops."""
    peer = median(costs[_PEER])
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
