"""The arithmetic behind the figures of tests/bench."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from tests.bench.cost import cpu_s
from tests.bench.measure import Cost, Load, measure, median, with_latencies
from tests.bench.pairs import OURS, PAIRS, PEER, ratio, told
from tests.bench.profiles import Shares, package_of
from tests.bench.recorded import recorded_ratio
from tests.bench.sinks import Received

_BURN = "import time\nwhile time.process_time() < 0.5: pass\n"
_STAY = "time.sleep(60)"
_MOST_OF_IT_S = 0.45  # the system counts in hundredths


async def _at_once() -> bool:
    return True


class Sink:
    """A receiver that says what it is told."""

    def __init__(self, seen: Received) -> None:
        self.seen = seen
        self.skipped = 0

    def received(self, skip: int = 0) -> Received:
        self.skipped = skip
        return self.seen


def test_a_median_takes_each_figure_by_itself_and_adds_up_what_was_sent_twice() -> None:
    one = median([Cost(300, 10, p99_ms=1), Cost(100, 30, p99_ms=9, dups=2), Cost(200, 20, p99_ms=5, dups=1)])
    assert one == Cost(200, 20, p99_ms=5, dups=3)


def test_latencies_leave_out_the_first_tenth_and_count_at_a_steady_rate_alone() -> None:
    sink = Sink(Received(count=1000, dups=1, p50_ms=2, p99_ms=9, max_ms=10, wall_s=4, max_inflight=3))
    steady = with_latencies(Cost(100, 1), sink, Load(1000, rate=250))  # type: ignore[arg-type]
    assert (steady.per_s, steady.p50_ms, steady.p99_ms, steady.dups, sink.skipped) == (250, 2, 9, 1, 100)
    full = with_latencies(Cost(100, 1), sink, Load(1000))  # type: ignore[arg-type]
    assert (full.per_s, full.p99_ms) == (250, 0)


def test_cpu_is_that_of_a_process_and_of_its_children_ended_or_not() -> None:
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_BURN!r}])\n{_BURN}{_STAY}"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        try:
            while (spent := cpu_s([process.pid])) < 2 * _MOST_OF_IT_S:
                time.sleep(0.05)
        finally:
            process.kill()
    assert spent < 2.0


async def test_a_run_costs_what_was_spent_between_the_load_and_its_end() -> None:
    """A process that has spent half a second before spends nothing meanwhile."""
    with subprocess.Popen([sys.executable, "-c", _BURN + _STAY]) as process:
        try:
            while cpu_s([process.pid]) < _MOST_OF_IT_S:
                await asyncio.sleep(0.05)
            cost = await measure([process.pid], lambda: subprocess.Popen(["true"]), _at_once, events=10)
        finally:
            process.kill()
    assert cost.cpu_us < 20_000
    assert cost.rss_mib > 1


async def test_a_load_that_fails_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        await measure([], lambda: subprocess.Popen(["false"]), _at_once, events=1)


def test_the_table_gives_medians_spreads_and_multiples_of_the_three_hops() -> None:
    costs = {PEER: [Cost(200, 5000), Cost(100, 4000), Cost(400, 9000)], OURS: [Cost(300, 10)]}
    lines = told(PAIRS["full"], costs).splitlines()
    assert lines[2] == f"| {PEER} | 200 (100–400) | 1.00 | 5000 | 0 |"
    assert lines[3] == "| ours | 300 (300–300) | 1.50 | 10 | 0 |"
    assert ratio(costs) == 1.5


def test_latencies_of_a_steady_rate_stand_beside_the_peers() -> None:
    costs = {PEER: [Cost(200, 500, 2, 10)], OURS: [Cost(100, 500, 3, 15)]}
    assert told(PAIRS["steady"], costs).splitlines()[3] == (
        "| ours | 100 (100–100) | 0.50 | 500 | 3.0 (1.5×) | 15.0 (1.5×) | 0 |"
    )


def test_what_is_recorded_is_read_from_the_table_as_it_is_printed() -> None:
    costs = {PEER: [Cost(200, 5000)], OURS: [Cost(300, 10)]}
    text = f"# Performance\n\nsome words\n\n{told(PAIRS['full'], costs)}\n\n| other | x |\n"
    assert recorded_ratio(text, PAIRS["full"]) == 1.5


def test_a_table_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="full load, receiver at 0 ms"):
        recorded_ratio("# Performance\n", PAIRS["full"])


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("/x/app/outbound/courier.py", "app.outbound"),
        ("/x/.venv/lib/python3.11/site-packages/aiokafka/client.py", "aiokafka"),
        ("/x/.venv/lib/python3.11/site-packages/app/join/agent.py", "app"),
        ("aiohttp/client.py", "aiohttp"),
        ("app/main.py", "app.main"),
        ("asyncio/runners.py", "stdlib"),
        ("<frozen _collections_abc>", "stdlib"),
    ],
)
def test_a_frame_belongs_to_a_package(file: str, package: str) -> None:
    assert package_of(file) == package


def test_samples_count_for_the_innermost_function_and_for_who_asked() -> None:
    stacks = (
        "run (asyncio/runners.py:190);take (/x/app/join/agent.py:7);send (/site-packages/aiokafka/p.py) 30\n"
        "run (asyncio/runners.py:190);take (/x/app/join/agent.py:7) 10\n"
        "run (asyncio/runners.py:190) 2\n"
    )
    shares = Shares(stacks)
    assert shares.askers == {"app.join": 40, "stdlib": 2}
    assert shares.packages == {"aiokafka": 30, "app.join": 10, "stdlib": 2}
    assert shares.functions["aiokafka p.py:send"] == 30
