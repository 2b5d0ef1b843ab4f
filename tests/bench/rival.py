"""The peer's side of a bench: Benthos, the engine of Redpanda Connect, with the same events, link and topics.

Its three hops are Kafka → mapping → Kafka → HTTP → Kafka, as one process or as two; its one hop is
Kafka → HTTP. It keeps no leads, no order of a lead's requests and no retries, and has no guard and no limits.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import WARM_UP, Cost, Load, measure, with_latencies
from tests.bench.ours import Ours, bring_through, is_done, ours
from tests.bench.programs import program
from tests.bench.sinks import Receiver
from tests.kafka import Kafka

ONE_HOP, THREE_HOPS, TWO_PROCESSES = "one hop", "three hops", "three hops, two processes"
_CONFIGS = Path(__file__).parent / "peer"
_COMMANDS = {
    ONE_HOP: (("streams", "one-hop.yaml"),),
    THREE_HOPS: (("streams", "join.yaml", "outbound.yaml"),),
    TWO_PROCESSES: (("streams", "join.yaml"), ("streams", "outbound.yaml")),
}
BEST = {"IN_FLIGHT": "512", "LINGER_MS": "5"}
"""Of what was tried, with what it costs least at full load."""


async def run_rival(
    kafka: Kafka, sink: Receiver, load: Load, what: str = THREE_HOPS, **switches: str
) -> Cost:
    """Measure it once under the load; `switches` go into its environment."""
    roles = "join" if what == ONE_HOP else "join,outbound"
    async with ours(kafka) as made:
        with _running(made, sink, what, BEST | switches) as pids, made.drained():
            await bring_through(made, sink, WARM_UP, roles, load.delay_ms)
            sink.reset(load.delay_ms)
            cost = await measure(
                pids,
                lambda: made.produce(load.events, load.rate, WARM_UP),
                lambda: is_done(made, sink, load.events, roles),
                load.events,
                broker=[kafka.process.pid],
            )
            return with_latencies(cost, sink, load)


@contextmanager
def _running(made: Ours, sink: Receiver, what: str, switches: dict[str, str]) -> Iterator[list[int]]:
    topics = made.settings.topics
    environ = {
        "KAFKA": made.kafka.bootstrap,
        "GROUP": made.settings.prefix,
        "LINK": f"http://{sink.address}/pb",
        "EVENTS": topics.lead_events.name,
        "REQUESTS": topics.requests.name,
        "LOG": topics.log.name,
    }
    with (made.folder / "peer.log").open("wb") as out:
        started = [
            subprocess.Popen(
                [program("peer"), command, "--no-api", "-o", "quiet.yaml", *files],
                env=os.environ | environ | switches, cwd=_CONFIGS, stdout=out, stderr=out,
            )
            for command, *files in _COMMANDS[what]
        ]  # fmt: skip
        try:
            yield [process.pid for process in started]
        finally:
            for process in started:
                process.kill()
                process.wait()
