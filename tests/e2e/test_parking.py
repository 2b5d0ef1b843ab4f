"""A receiver refuses us, its postback is parked, what it keeps is released or discarded: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from app.messages.envelope import unpack
from app.messages.request import Request
from app.messages.state import decode_state, parked_key
from app.topics import DAY_MS
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer
from tests.shell import Shell, one_line
from tests.workers import Installation, WorkerProcess, installation, lead_events, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_POSTBACK = ("F-1", "fb")


@dataclass
class Tried:
    """One installation with one flow and one receiver, its commands, and its worker."""

    made: Installation
    receiver: Receiver
    shell: Shell
    worker: WorkerProcess

    async def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(self.shell.run, *arguments, stdin=stdin)

    async def json(self, *arguments: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.shell.rows, *arguments)

    def apply(self, path: str, **more: Any) -> None:
        """Save the flow with the command that people use."""
        link = f"http://127.0.0.1:{self.receiver.port}{path}?lead={{id}}&status={{status}}"
        postback = {"id": "fb", "on": ["new", "approve"], "template": link, **more}
        flow = {"flow_id": "F-1", "postbacks": [postback]}
        done = self.shell.run("flows", "apply", self.shell.write("flow.json", flow))
        assert done.returncode == 0, done.stderr

    async def state(self) -> str:
        """What Kafka has as the postback's state."""
        records = await read_topic(self.made.settings, self.made.settings.topics.postback_states.name)
        return decode_state(records[-1].value).state if records else "active"

    async def kept(self) -> int:
        """How many requests are kept now."""
        live: dict[Any, bool] = {}
        for record in await read_topic(self.made.settings, self.made.settings.topics.parked.name):
            live[record.key] = record.value is not None
        return sum(live.values())

    async def keeps(self, count: int) -> None:
        """Wait until so many are kept."""
        await until(lambda: self._keeps(count), lambda: self.worker.tail())

    async def _keeps(self, count: int) -> bool:
        return await self.kept() == count

    def arrived(self, path: str) -> list[tuple[str, str]]:
        """Lead and status of what came to a path, in order."""
        found = []
        for request in self.receiver.requests:
            target = urlsplit(request.target.decode())
            if target.path == path:
                asked = parse_qs(target.query)
                found.append((asked["lead"][0], asked["status"][0]))
        return found


async def _by_path(exchange: Exchange) -> None:
    """Only the second version of the link has good credentials; a third asks us to stop."""
    status = {"/v1": 401, "/stop": 410}.get(urlsplit(exchange.received.target.decode()).path, 200)
    await answer(status)(exchange)


@pytest.fixture
async def tried(kafka: Kafka, clickhouse: Database, tmp_path: Path) -> Any:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(_by_path) as receiver:
        shell = Shell(tmp_path, made.environ)
        worker = made.start()
        found = Tried(made, receiver, shell, worker)
        found.apply("/v1")
        await worker.ready()
        yield found


async def _parked_by_refusals(tried: Tried, leads: list[str]) -> None:
    """Leads go `new`; three are refused, all are kept."""
    await tried.made.send(*lead_events(leads))
    await tried.keeps(len(leads))


async def test_after_three_refusals_a_flood_is_kept_and_arrives_once_in_lane_order(tried: Tried) -> None:
    leads = [f"L-{number}" for number in range(40)]
    await _parked_by_refusals(tried, leads)
    refused = len(tried.arrived("/v1"))
    assert 3 <= refused <= 40
    assert "refusals in a row" in tried.worker.log.read_text()
    assert "postbacks_parked_postbacks 1.0" in tried.worker.get("/metrics")[1]
    assert tried.worker.metric("postbacks_parked_oldest_seconds") > 0
    await tried.made.send(*lead_events(leads, "approve"))
    await tried.keeps(80)

    tried.apply("/v2")  # a new template, and still parked
    [listed] = await tried.json("flows", "list")
    assert listed["parked"] == ["fb"]
    assert "fb is parked since" in (await tried.run("flows", "show", "F-1")).stderr
    assert await tried.worker.stop() == 0, tried.worker.tail()
    tried.worker = await tried.made.start(name="w2").ready()
    await tried.made.send(*lead_events(["late"]))
    await tried.keeps(81)
    assert len(tried.arrived("/v1")) == refused
    assert tried.arrived("/v2") == []

    no = await tried.run("release", *_POSTBACK, stdin="n\n")
    assert (no.returncode, await tried.kept()) == (1, 81)
    assert "81 requests are kept\n" in no.stdout
    assert "Release 81 at 50 a second, about 2 s? [y/N] postbacks: nothing was done" in no.stderr
    assert "oldest: " in no.stdout

    await _killed_half_way(tried, 20)
    assert await tried.state() == "parked"
    done = await tried.run("release", *_POSTBACK, "--rerender", "--rate", "200", "--yes")
    assert done.returncode == 0, done.stderr
    assert "rendered anew: " in done.stdout
    assert f"- GET http://127.0.0.1:{tried.receiver.port}/v1" in done.stdout
    assert done.stdout.endswith("F-1 fb is active\n")
    assert (await tried.state(), await tried.kept()) == ("active", 0)

    arrived = Counter(tried.arrived("/v2"))
    wanted = [(lead, status) for lead in leads for status in ("new", "approve")]
    assert arrived == Counter([*wanted, ("late", "new")])
    for lead in leads:
        assert [status for one, status in tried.arrived("/v2") if one == lead] == ["new", "approve"]
    rows = await until(lambda: tried.made.rows("lead_id, event", "outcome = 'delivered'", n=81), "rows")
    assert Counter(rows) == arrived

    await tried.made.send(*lead_events(["fresh"]))
    await until(lambda: ("fresh", "new") in tried.arrived("/v2"), lambda: tried.worker.tail())
    assert await tried.kept() == 0


async def _killed_half_way(tried: Tried, arrived: int) -> None:
    """A release that is killed when so many have arrived."""
    command = str(Path(sys.executable).parent / "postbacks")
    process = subprocess.Popen(
        [command, "release", *_POSTBACK, "--rerender", "--yes", "--rate", "40"],
        env={**os.environ, **tried.made.environ},
        cwd=tried.shell.folder,
        stdout=subprocess.DEVNULL,
    )
    await until(lambda: len(tried.arrived("/v2")) >= arrived, lambda: tried.worker.tail())
    process.kill()
    assert await asyncio.to_thread(process.wait) == -9
    assert len(tried.arrived("/v2")) < 81


async def test_a_release_to_a_receiver_that_still_refuses_stops_and_loses_nothing(tried: Tried) -> None:
    leads = [f"L-{number}" for number in range(12)]
    await _parked_by_refusals(tried, leads)
    before = len(tried.arrived("/v1"))
    done = await tried.run("release", *_POSTBACK, "--yes", "--rate", "10")
    assert done.returncode == 1
    assert "F-1 fb stays parked since" in done.stderr
    assert "refused while parked: status 401" in done.stderr
    assert len(tried.arrived("/v1")) < before + 12
    await tried.keeps(12)
    assert await tried.state() == "parked"


async def test_a_receiver_that_asks_to_stop_is_left_alone_at_once_and_its_requests_may_be_discarded(
    tried: Tried,
) -> None:
    tried.apply("/stop", verdict=[{"status": 410, "then": "stop"}])
    await until(lambda: _applied(tried), lambda: tried.worker.tail())
    await tried.made.send(*lead_events(["L-1"]))
    await tried.keeps(1)
    await tried.made.send(*lead_events([f"M-{number}" for number in range(20)]))
    await tried.keeps(21)
    assert tried.arrived("/stop") == [("L-1", "new")]
    told, done = await tried.json("discard", *_POSTBACK, "--yes")
    assert (told["state"], told["kept"], told["oldest"]["attempts"]) == ("parked", 21, 1)
    assert "asked us to stop" in told["why"]
    assert done == {"flow_id": "F-1", "postback_id": "fb", "discarded": 21}
    assert (await tried.kept(), await tried.state()) == (0, "parked")
    rows = await until(lambda: tried.made.rows("lead_id", "outcome = 'discarded'", n=21), "rows")
    assert len(set(rows)) == 21
    [told, done] = await tried.json("release", *_POSTBACK, "--yes")
    assert (told["kept"], done["released"], done["state"]) == (0, 0, "active")
    assert tried.arrived("/stop") == [("L-1", "new")]


async def _applied(tried: Tried) -> bool:
    return "postbacks_flows_offset 1.0" in tried.worker.get("/metrics")[1]


async def test_a_person_parks_and_releases_and_is_told_of_a_slip(tried: Tried) -> None:
    one = await tried.run("park", "F-1", "bf", "--yes", "--json")
    assert (one.returncode, json.loads(one.stdout)["state"]) == (1, "active")
    assert "did you mean fb?" in one.stderr
    one_line(await tried.run("flows", "show", "F-2"), 1, "F-2")
    tried.apply("/v2")
    _, parked = await tried.json("park", *_POSTBACK, "--why", "moving the pixel", "--yes")
    assert (parked["state"], parked["why"]) == ("parked", "moving the pixel")
    await until(lambda: "parked_postbacks 1.0" in tried.worker.get("/metrics")[1], "the worker sees it")
    await tried.made.send(*lead_events(["L-1", "L-2"]))
    await tried.keeps(2)
    assert tried.receiver.requests == []
    rows = await until(lambda: tried.made.rows("reason", "outcome = 'parked'", n=2), "rows")
    assert all("moving the pixel" in reason for (reason,) in rows)
    tried.apply("/v3")
    await until(lambda: tried.made.database.rows("SELECT 1 FROM lead_events LIMIT 1 OFFSET 1"), "stored")
    await tried.made.database.client.command("TRUNCATE TABLE lead_events")
    stay = await tried.run("release", *_POSTBACK, "--rerender", "--yes")
    assert "lead L-1 will stay: its lead cannot be folded up to it" in stay.stdout
    assert (stay.returncode, await tried.kept(), await tried.state()) == (1, 2, "active")
    assert "2 could not be rendered anew and stay" in stay.stderr
    await _keep_one_more_that_is_overdue(tried)
    told, done = await tried.json("release", *_POSTBACK, "--yes")
    assert (told["kept"], told["overdue"], done["released"], done["state"]) == (3, 1, 3, "active")
    assert Counter(tried.arrived("/v2")) == {("L-1", "new"): 1, ("L-2", "new"): 1}
    assert await tried.kept() == 0
    [(reason,)] = await until(lambda: tried.made.rows("reason", "outcome = 'failed'", n=1), "failed")
    assert reason.startswith("past the deadline")


async def _keep_one_more_that_is_overdue(tried: Tried) -> None:
    """The first kept request once more, under another id and of an event of last month."""
    topic = tried.made.settings.topics.parked.name
    record = (await read_topic(tried.made.settings, topic))[0]
    request = msgspec.json.decode(record.value, type=Request)
    origin = msgspec.structs.replace(request.origin, occurred_at=request.origin.occurred_at - 30 * DAY_MS)
    old = msgspec.structs.replace(request, request_id="old", origin=origin)
    value = msgspec.json.encode(old)
    await tried.made.producer.send_and_wait(topic, value, key=b"old", partition=record.partition)


async def test_what_is_released_and_put_off_is_kept_no_more_and_arrives_once(tried: Tried) -> None:
    """A release that is run again finds nothing of it, however long it waits in the tiers."""
    leads = [f"L-{number}" for number in range(20)]
    tried.apply("/v2", rate_limit_per_s=1)
    assert (await tried.run("park", *_POSTBACK, "--yes")).returncode == 0
    await tried.made.send(*lead_events(leads))
    await tried.keeps(len(leads))
    released = await tried.run("release", *_POSTBACK, "--rate", "1000", "--yes")
    assert released.returncode == 0, released.stderr
    assert await tried.kept() == 0
    assert len(tried.arrived("/v2")) < len(leads), "most of them wait in the tiers"
    await until(lambda: len(tried.arrived("/v2")) >= len(leads), tried.worker.tail)
    rows = await until(lambda: tried.made.rows("lead_id", "outcome = 'delivered'", n=len(leads)), "rows")
    assert sorted(lead for (lead,) in rows) == sorted(leads)
    assert sorted(lead for lead, _ in tried.arrived("/v2")) == sorted(leads)


async def test_what_was_delivered_though_it_is_kept_is_taken_out_and_not_sent_again(tried: Tried) -> None:
    """As when a send given up at a hand-over arrives while the partition's next owner keeps it."""
    tried.apply("/v2")
    await tried.made.send(*lead_events(["L-1", "L-2"]))
    await until(lambda: tried.made.rows("lead_id", "outcome = 'delivered'", n=2), tried.worker.tail)
    for record in await read_topic(tried.made.settings, tried.made.settings.topics.requests.name):
        for value in unpack(record.value):
            request = msgspec.json.decode(value, type=Request)
            await tried.made.producer.send_and_wait(
                tried.made.settings.topics.parked.name,
                bytes(value),
                key=parked_key(request),
                partition=record.partition,
            )
    assert (await tried.run("park", *_POSTBACK, "--yes")).returncode == 0
    released = await tried.run("release", *_POSTBACK, "--yes")
    assert (released.returncode, await tried.kept()) == (0, 0), released.stderr
    assert len(tried.arrived("/v2")) == 2
