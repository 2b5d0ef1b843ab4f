"""Lead events, a JSON object a line on standard input, into Kafka: `python produce.py < events.jsonl`.

Needs aiokafka 0.14 or newer. `POSTBACKS_KAFKA` is the broker (127.0.0.1:9092), `POSTBACKS_PREFIX` the
installation's prefix (postbacks). Exits with 0 once Kafka has all events, 1 when it may lack some (run it
again with the same input: an event_id that a lead knows changes nothing), 2 when the input is wrong.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from typing import NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

KAFKA = os.environ.get("POSTBACKS_KAFKA", "127.0.0.1:9092")
TOPIC = os.environ.get("POSTBACKS_PREFIX", "postbacks") + ".lead-events"
AT_ONCE = 1_000

Event = tuple[bytes, bytes]
"""Key and value of a record: the lead id, the line."""


def read(lines: Iterable[bytes]) -> list[Event]:
    """The events of a file. An event_id is made where the change is recorded, so a retry has the same."""
    events = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            event_id, lead_id = event["event_id"].strip(), event["lead_id"].encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            event_id = lead_id = b""
        if not event_id or not lead_id.strip():
            end(f"line {number}: a lead event is an object with event_id and lead_id", 2)
        events.append((lead_id, line.strip()))
    return events


async def produce(events: list[Event]) -> None:
    """Write events in their order and wait for Kafka's word on each."""
    producer = AIOKafkaProducer(  # its default partitioner is Kafka's own: murmur2 of the key
        bootstrap_servers=KAFKA,
        acks="all",
        enable_idempotence=True,  # what the client sends again by itself is written once, and in order
        request_timeout_ms=30_000,
    )
    written = 0
    try:
        await producer.start()
        for at in range(0, len(events), AT_ONCE):
            some = events[at : at + AT_ONCE]
            acks = [await producer.send(TOPIC, value, key=key) for key, value in some]
            for ack in acks:  # the only word that an event is written; flush hides a failed batch
                await ack
                written += 1
    except KafkaError as error:
        end(f"{written} of {len(events)} events are acknowledged: {error!r}", 1)
    finally:
        await producer.stop()
    print(f"{written} events acknowledged by {KAFKA}, topic {TOPIC}")


def end(text: str, status: int) -> NoReturn:
    """Say why and end."""
    print(f"produce: {text}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    asyncio.run(produce(read(sys.stdin.buffer)))
