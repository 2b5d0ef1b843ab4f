"""A million leads in a worker's table: a start's time, memory, an event's cost beside an empty table's.

    python -m tests.bench.state_cost [--leads 1000000]

The leads lie in the table's changelog, as workers before have left them. A join worker starts without its
data directory, stops, and starts again with it; when RocksDB has put its files in order and the process is
idle it folds events of leads that lie far from each other.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import msgspec

from app.kit.clock import now_ms
from app.leads.events import LeadEvent, decode
from app.leads.fold import preview_lead
from app.leads.lead import encode_lead
from tests.bench import leads_made
from tests.bench.cost import cpu_s, rss_mib
from tests.bench.measure import WARM_UP, Cost, ended, measure
from tests.bench.ours import MACROS, Ours, bring_through, flow, is_done, ours
from tests.bench.sinks import Receiver, receiver
from tests.bench.stage import broker
from tests.kafka import Kafka
from tests.workers import WorkerProcess

EVENTS = 20_000
_IDLE_SHARE = 0.05  # of a core; a worker that has nothing to do uses about 0.02
_SETTLES_S = 120


async def table_of(kafka: Kafka, sink: Receiver, leads: int = 1_000_000) -> str:
    """Fill, start twice, measure; the table for a document."""
    async with ours(kafka, flow(sink.link(MACROS))) as empty:
        await empty.start("join")
        bare = await _folded(empty, sink, 5_000)
    async with ours(kafka, flow(sink.link(MACROS))) as made:
        await _fill(made, leads)
        without = await _started(made)
        assert await made.workers[0].stop() == 0, made.logs()
        again = await _started(made)
        full = await _folded(made, sink, leads)
    rows = [
        ("worker ready, data directory lost", f"{without.wall_s:.1f} s, {without.cpu_s:.1f} s of CPU"),
        ("worker ready, data directory kept", f"{again.wall_s:.1f} s, {again.cpu_s:.1f} s of CPU"),
        ("resident memory after either start", f"{without.rss_mib:.0f} and {again.rss_mib:.0f} MiB"),
        ("resident memory after the events", f"{full.rss_mib:.0f} MiB (empty table: {bare.rss_mib:.0f})"),
        ("an event in JOIN, empty table", f"{bare.cpu_us:.0f} µs"),
        (f"an event in JOIN, {leads:,} leads", f"{full.cpu_us:.0f} µs ({full.cpu_us / bare.cpu_us:.2f}×)"),
    ]
    return "\n".join([f"| {leads:,} leads | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])


class Started:
    """What a start cost."""

    def __init__(self, worker: WorkerProcess, wall_s: float) -> None:
        pids = [worker.process.pid]
        self.wall_s, self.cpu_s, self.rss_mib = wall_s, cpu_s(pids), rss_mib(pids)


async def _started(made: Ours) -> Started:
    began_s = time.perf_counter()
    worker = await made.start("join", name="w1", timeout_s=220)
    return Started(worker, time.perf_counter() - began_s)


async def _fill(made: Ours, leads: int) -> None:
    """Write the leads into the table's changelog: one lead's bytes, each time under another id."""
    event = decode(leads_made.value(leads_made.event(0) | {"lead_id": "L-0000000", "flow_id": "F-1"}))
    assert isinstance(event, LeadEvent)
    hour_ago_ms = now_ms() - 3_600_000
    lead = msgspec.structs.replace(preview_lead(event), status_at=hour_ago_ms, touched_at=hour_ago_ms)
    sample = made.folder / "lead"
    sample.write_bytes(encode_lead(lead))
    changelog = made.settings.topics.leads_changelog.name
    await ended(made.load("fill", topic=changelog, n=leads, sample=sample))


async def _idle(pids: list[int]) -> None:
    """Wait until processes have nothing left to do: RocksDB puts in order what a start wrote."""
    async with asyncio.timeout(_SETTLES_S):
        used_s, idle = cpu_s(pids), 0
        while idle < 3:
            await asyncio.sleep(1)
            before_s, used_s = used_s, cpu_s(pids)
            idle = idle + 1 if used_s - before_s < _IDLE_SHARE else 0


async def _folded(made: Ours, sink: Receiver, leads: int) -> Cost:
    """What an event costs in the last worker."""
    await bring_through(made, sink, WARM_UP, "join", 0)
    pids = [made.workers[-1].process.pid]
    await _idle(pids)
    return await measure(
        pids,
        lambda: made.produce(EVENTS, start=WARM_UP, leads=leads),
        lambda: is_done(made, sink, EVENTS, "join"),
        EVENTS,
    )


def main(leads: int) -> str:
    """The table of so many leads."""
    with broker() as kafka, receiver() as sink:
        return asyncio.run(table_of(kafka, sink, leads))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, default=1_000_000)
    print(main(parser.parse_args().leads))
