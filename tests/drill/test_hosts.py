"""Drill `hosts`: a part of the traffic goes to a sick host. The others do not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.drill.conftest import Scale
from tests.drill.figures import all_arrived, latencies_ms, p99, say
from tests.drill.load import Load, flow, lead_events_at
from tests.drill.marks import marked
from tests.drill.sink import Behaviour, Sink, answers, drips, hangs
from tests.kafka import Kafka
from tests.workers import Installation, WorkerProcess, installation

_PER_S = 200.0
_BASELINE_S = 10.0
_ROUNDS = 3  # a machine that is busy otherwise makes a round slow, a host that is noticed makes each
_SICK: dict[str, Behaviour | None] = {
    "hangs": hangs,
    "429": answers(429, "Retry-After: 5\r\n"),
    "drips": drips,
    "refused": None,
}


@asynccontextmanager
async def _receivers(sick: Behaviour | None) -> AsyncIterator[tuple[Sink, Sink]]:
    """A good one and a sick one; they are two hosts."""
    async with Sink() as good, Sink(host="127.0.0.2", sick=sick or hangs) as bad:
        if sick is None:
            await bad.down()
            yield good, bad
            await bad.up()
        else:
            yield good, bad


async def _measure(made: Installation, good: Sink, share: float, seconds: float, turn: str) -> list[float]:
    """Latencies of what goes to the good host, while `share` of the traffic goes to the sick one."""
    healthy, sick = Load(), Load()
    flowing = [lead_events_at(made, _PER_S * (1 - share), seconds, healthy, prefix=f"G{turn}")]
    if share:
        flowing.append(lead_events_at(made, _PER_S * share, seconds, sick, prefix=f"S{turn}", flow_id="F-2"))
    await asyncio.gather(*flowing)
    await all_arrived(healthy, good, 60)
    return latencies_ms(healthy, good)


@dataclass(frozen=True)
class Round:
    """What one share did to the others, beside a baseline measured just before."""

    baseline_ms: float
    p99_ms: float
    moved_per_s: float

    @property
    def is_unnoticed(self) -> bool:
        """Whether the others are as fast as they were, and the tiers quiet."""
        return self.baseline_ms < 100 and self.p99_ms < 2 * self.baseline_ms and self.moved_per_s < 2 * _PER_S


async def _round(
    made: Installation, worker: WorkerProcess, good: Sink, share: float, seconds: float, turn: str
) -> Round:
    baseline = await _measure(made, good, 0, _BASELINE_S, f"b{turn}")
    assert len(baseline) >= 1_000
    moved, began = worker.metric("postbacks_retries_moved_total"), time.monotonic()
    latencies = await _measure(made, good, share, seconds, f"s{turn}")
    per_s = (worker.metric("postbacks_retries_moved_total") - moved) / (time.monotonic() - began)
    return Round(p99(baseline), p99(latencies), per_s)


async def _drill(
    made: Installation,
    worker: WorkerProcess,
    good: Sink,
    kind: str,
    shares: tuple[float, ...],
    seconds: float,
) -> None:
    await _measure(made, good, 0, 3, "warm")  # templates, connections and caches
    for share in shares:
        for again in range(_ROUNDS):
            found = await _round(made, worker, good, share, seconds, f"{share:g}-{again}")
            say(
                f"hosts: {kind}",
                share=f"{share:.0%}",
                baseline_p99_ms=round(found.baseline_ms, 1),
                p99_ms=round(found.p99_ms, 1),
                ratio=round(found.p99_ms / found.baseline_ms, 2),
                moved_per_s=round(found.moved_per_s, 1),
            )
            if found.is_unnoticed:
                break
        assert found.is_unnoticed


async def _of_kind(
    kind: str, shares: tuple[float, ...], seconds: float, kafka: Kafka, clickhouse: Database, folder: Path
) -> None:
    async with installation(kafka, clickhouse, folder) as made, _receivers(_SICK[kind]) as (good, bad):
        await made.apply(flow(good.url()), flow(bad.url("sick"), flow_id="F-2"))
        worker = await made.start().ready()
        await _drill(made, worker, good, kind, shares, seconds)


@marked(400)
@pytest.mark.parametrize("kind", _SICK)
async def test_others_do_not_notice_a_sick_host_whatever_its_share(
    kind: str, kafka: Kafka, clickhouse: Database, tmp_path: Path, scale: Scale
) -> None:
    await _of_kind(kind, (0.01, 0.2, 0.5, 0.99), scale.of(10, 25), kafka, clickhouse, tmp_path)


@pytest.mark.alone
@marked(120, short=True)
async def test_others_do_not_notice_a_host_that_hangs_under_half_of_the_traffic(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    await _of_kind("hangs", (0.5,), 10, kafka, clickhouse, tmp_path)
