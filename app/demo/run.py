"""Run the demo: everything at home, the samples sent, what comes of them shown as it comes."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.demo.board import Board, summary, table_of
from app.demo.closer import how_to_look_closer
from app.demo.compare import Compared, compare
from app.demo.receiver import Receiver, serve
from app.demo.samples import Event, events, expected, write_flows
from app.dev import Home, at_home
from app.kit.home import is_held
from app.kit.process import StartFault, end
from app.log.writer import connect
from app.queries.filters import Filters
from app.queries.log import list_rows
from app.settings import Settings
from app.stream.kafka import new_producer

DEADLINE_S = 90.0
_LOOK_S = 0.2
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class Stage:
    """Where the demo plays: a rich console, what stops it, how to call us from where we are, how long."""

    console: Any
    stop: asyncio.Event
    command: str
    once: bool


async def run(settings: Settings, stage: Stage) -> int:
    """Play the demo, once or until it is stopped; returns the exit status.

    1 means that something did not come as expected within `DEADLINE_S`; what, is printed. Raises as
    `at_home`, and `OSError` for a folder that cannot be written.
    """
    async with serve() as receiver:
        flows = settings.data_dir / "demo" / "flows"
        if not is_held(settings.data_dir):  # else they are another demo's, and `at_home` says so
            write_flows(flows, receiver.addresses)
            stage.console.print("starting a broker, ClickHouse and all roles on this machine …")
        sending = replace(settings, allow_networks=(*settings.allow_networks, ip_network("127.0.0.0/8")))
        async with at_home(sending, flows=flows) as home:
            try:
                return await _played(home, flows, receiver, stage)
            except (StartFault, KafkaError, ClickHouseError) as error:
                print(f"postbacks: demo ends: {error}; start it again: {stage.command} demo", file=sys.stderr)
                end(1)  # an orderly stop would wait for what is gone


async def _played(home: Home, flows: Path, receiver: Receiver, stage: Stage) -> int:
    compared = await home.during(_shown(home.settings, receiver, stage))
    if stage.stop.is_set():
        print("postbacks: demo was stopped before all of it was seen", file=sys.stderr)
        return 1
    _tell(compared, stage.console)
    for text in how_to_look_closer(compared, home.settings, flows, stage.command, once=stage.once):
        stage.console.print(text, markup=False, soft_wrap=text.startswith(" "))
    if not stage.once:
        await home.during(stage.stop.wait())
    return 1 if compared.wrong() else 0


async def _shown(home: Settings, receiver: Receiver, stage: Stage) -> Compared:
    """Send the leads and show their rows as they come, until all are there or the deadline is over."""
    wanted = expected()
    end_s = time.monotonic() + DEADLINE_S
    client = await connect(home.clickhouse)
    try:
        await _produce(home, events())
        with Board(stage.console) as board:
            while True:
                page = await list_rows(client, Filters(), limit=_MOST_ROWS)
                compared = compare(wanted, page.rows, receiver.arrivals)
                board.show(compared)
                if compared.is_whole or time.monotonic() > end_s or stage.stop.is_set():
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
    console.print()
    console.print(table_of(compared, console.width))
    console.print()
    console.print(summary(compared), markup=False)
    for text in compared.wrong():
        console.print(f"wrong: {text}", markup=False, style="red", soft_wrap=True)
    console.print()
