"""Seconds until 50,000 flows of three postbacks each are known, and what their use and a change cost.

.venv/bin/python -m tests.bench.flows_load            # from bytes
.venv/bin/python -m tests.bench.flows_load --kafka    # from a broker that it starts
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from app.flows.config import parse_record
from app.flows.flow import Flow
from app.stream.kafka import new_producer
from app.stream.latest import Latest
from app.stream.migrate import migrate_topics
from app.stream.whole import WholeTable
from tests.bench import leads_made
from tests.kafka import start_kafka
from tests.kafka_settings import settings_for

COUNT = 50_000
USED = 500


def config(number: int) -> bytes:
    """A flow of that number, no template like another's."""
    facebook = leads_made.FACEBOOK.replace("PIXEL", str(number)).replace("TOKEN", f"EAAB{number:020d}")
    link = leads_made.LINK.replace("track.er", f"t{number}.track.er")
    body = '{"click":"{click}","payout":{price},"em":"{email|trim|lower|sha256}"}'
    postbacks = [
        {"id": "fb", "on": ["new"], "template": facebook, "when": {"geo": ["UA"]}, "require": ["click"]},
        {"id": "tracker", "on": ["new", "approve"], "template": link},
        {"id": "net", "on": ["approve"], "template": f"https://net{number}.example/|JSON|{body}"},
    ]
    return json.dumps({"flow_id": f"F-{number}", "postbacks": postbacks}).encode()


def read(key: str, value: bytes, offset: int) -> Flow | None:
    """As JOIN reads it."""
    return parse_record(key, value, version=offset)


def from_bytes(configs: dict[str, bytes]) -> Latest[Flow]:
    """The table fed by hand."""
    table = Latest(read)
    for offset, (key, value) in enumerate(configs.items()):
        table.put(key, value, offset)
    table.loaded()
    return table


async def from_kafka(configs: dict[str, bytes], folder: Path) -> WholeTable[Flow]:
    """The table as JOIN follows it, read to the end it has at start; prints the seconds."""
    kafka = await asyncio.to_thread(start_kafka, folder)
    try:
        settings = settings_for(kafka, folder)
        await migrate_topics(settings)
        topic = settings.topics.flow_configs.name
        producer = new_producer(settings)
        await producer.start()
        for key, value in configs.items():
            await producer.send(topic, value, key=key.encode(), partition=0)
        await producer.stop()
        table = WholeTable(settings, topic, read)
        wall, cpu = time.perf_counter(), time.process_time()
        following = asyncio.create_task(table.follow())
        await table.ready.wait()
        say("from Kafka, until ready", time.process_time() - cpu, time.perf_counter() - wall)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        return table
    finally:
        kafka.kill()


def say(what: str, cpu_s: float, wall_s: float) -> None:
    """One row."""
    print(f"{what:<44}{cpu_s:9.3f} s CPU{wall_s:9.3f} s")


def main() -> None:
    """Print the table."""
    configs = {f"F-{number}": config(number) for number in range(COUNT)}
    begin_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{COUNT} flows, {len(configs['F-7'])} bytes each")
    if "--kafka" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            table: Latest[Flow] = asyncio.run(from_kafka(configs, Path(folder)))
    else:
        wall, cpu = time.perf_counter(), time.process_time()
        table = from_bytes(configs)
        say("from bytes", time.process_time() - cpu, time.perf_counter() - wall)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin_kib
    wall, cpu = time.perf_counter(), time.process_time()
    used = [table[f"F-{COUNT - 1 - number}"] for number in range(USED)]
    say(f"the first use of {len(used)} of them", time.process_time() - cpu, time.perf_counter() - wall)
    wall, cpu = time.perf_counter(), time.process_time()
    table.put("F-7", config(7), COUNT)
    say("a change of one", time.process_time() - cpu, time.perf_counter() - wall)
    print(f"resident memory grew by {grown / 1024:.0f} MiB while they were loaded")


if __name__ == "__main__":
    main()
