"""The short form of the bench: ours beside the peer, held against what docs/performance.md records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.measure import Load
from tests.bench.pairs import PAIRS, by_turns, ratio
from tests.bench.recorded import PERFORMANCE, recorded_ratio
from tests.bench.sinks import receiver
from tests.kafka import Kafka

_MOST = 1.5  # times what is recorded: machines are noisy


@pytest.mark.kafka
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_delivery_costs_about_as_much_beside_the_peers_as_recorded(kafka: Kafka) -> None:
    full = PAIRS["full"]
    short = replace(full, load=Load(15_000), pipelines=2, repeat=2)
    recorded = recorded_ratio(PERFORMANCE.read_text(), full)
    for _ in range(2):  # what ran beside the first may be over now
        with receiver() as sink:
            costs = await by_turns(short, kafka, sink)
        assert not any(cost.dups for some in costs.values() for cost in some)
        found = ratio(costs)
        if found <= _MOST * recorded:
            return
    pytest.fail(
        f"a delivery costs {found:.2f} times the CPU of the peer's three hops, over {_MOST} times the "
        f"{recorded:.2f} of docs/performance.md: profile it, or record what make bench NAME=full prints now"
    )
