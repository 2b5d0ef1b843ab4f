"""Run the demo: everything at home, the samples sent, what comes of them shown as it comes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from app.demo.board import Board, summary, table_of
from app.demo.closer import how_to_look_closer
from app.demo.compare import Compared, compare
from app.demo.receiver import Receiver, serve
from app.demo.samples import Event, events, expected, write_flows
from app.dev import at_home
from app.kit.home import is_held
from app.log.writer import connect
from app.queries.filters import Filters
from app.queries.log import list_rows
from app.settings import Settings
from app.stream.kafka import new_producer

DEADLINE_S = 90.0
_LOOK_S = 0.2
_MOST_ROWS = 10_000


async def run(settings: Settings, console: Any, stop: asyncio.Event, command: str, *, once: bool) -> int:
    """Show the demo on a rich `console`, `once` or until `stop`; returns the exit status.

    `command` is how to call us from where we are.

    1 means that something did not come as expected within `DEADLINE_S`; what, is printed. Raises as
    `at_home`, and `OSError` for a folder that cannot be written.
    """
    async with serve() as receiver:
        flows = settings.data_dir / "demo" / "flows"
        if not is_held(settings.data_dir):  # else they are another demo's, and `at_home` says so
            write_flows(flows, receiver.addresses)
        sending = replace(settings, allow_networks=(*settings.allow_networks, ip_network("127.0.0.0/8")))
        console.print("starting a broker, ClickHouse and all roles on this machine …")
        async with at_home(sending, flows=flows) as home:
            compared = await home.during(_shown(home.settings, receiver, console, stop))
            if stop.is_set():
                return 1
            _tell(compared, console)
            for text in how_to_look_closer(compared, home.settings, flows, command, once=once):
                console.print(text, markup=False, soft_wrap=text.startswith(" "))
            if not once:
                await home.during(stop.wait())
            return 1 if compared.wrong() else 0


async def _shown(home: Settings, receiver: Receiver, console: Any, stop: asyncio.Event) -> Compared:
    """Send the leads and show their rows as they come, until all are there or the deadline is over."""
    wanted = expected()
    end_s = time.monotonic() + DEADLINE_S
    client = await connect(home.clickhouse)
    try:
        await _produce(home, events())
        with Board(console) as board:
            while True:
                page = await list_rows(client, Filters(), limit=_MOST_ROWS)
                compared = compare(wanted, page.rows, receiver.arrivals)
                board.show(compared)
                if compared.is_whole or time.monotonic() > end_s or stop.is_set():
                    return compared
                await asyncio.sleep(_LOOK_S)
    finally:
        await client.close()


async def _produce(home: Settings, leads: list[Event]) -> None:
    """Write lead events as any producer does: keyed by lead id, partitioned by murmur2."""
    producer = new_producer(home)
    await producer.start()
    try:
        topic = home.topics.lead_events.name
        acks = [await producer.send(topic, lead.value, key=lead.lead_id.encode()) for lead in leads]
        await asyncio.gather(*acks)
    finally:
        await producer.stop()


def _tell(compared: Compared, console: Any) -> None:
    console.print(table_of(compared, console.width))
    console.print()
    console.print(summary(compared), markup=False)
    for text in compared.wrong():
        console.print(f"wrong: {text}", markup=False, style="red")
    console.print()
