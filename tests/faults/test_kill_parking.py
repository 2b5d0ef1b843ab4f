"""Workers and commands killed between each two effects of parking: every request is kept or delivered."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from app.messages.request import Request
from app.messages.state import decode_state
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Receiver, answer
from tests.shell import Shell
from tests.workers import Installation, WorkerProcess, installation, lead_events, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_LEADS = [f"L-{number}" for number in range(12)]


async def _kept(made: Installation) -> dict[str, Request]:
    """What `postback-parked` holds now, by lead."""
    found: dict[tuple[int, bytes], bytes | None] = {}
    for record in await read_topic(made.settings, made.settings.topics.parked.name):
        found[record.partition, record.key] = record.value
    requests = [msgspec.json.decode(value, type=Request) for value in found.values() if value]
    return {request.origin.lead_id: request for request in requests}


async def test_workers_that_are_killed_while_they_park_a_postback_keep_every_request(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(401)) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        await made.send(*lead_events(_LEADS))
        for point in ("outbound: state written", "outbound: parked kept"):
            doomed = made.start("join,outbound", TEST_KILL_AT=point)
            assert await doomed.ended() == -9, doomed.tail()
        worker = await made.start("join,outbound,log").ready()
        await until(lambda: _all_kept(made), lambda: worker.tail())
        states = await read_topic(made.settings, made.settings.topics.postback_states.name)
        assert {record.key for record in states} == {b'["F-1","new"]'}
        assert {decode_state(record.value).state for record in states} == {"parked"}
        await until(lambda: _each_has_a_row(made), worker.tail)  # a killed worker's may come twice
        sent = len(receiver.requests)
        assert await worker.stop() == 0, worker.tail()
        worker = await made.start("join,outbound").ready()
        await made.send(*lead_events(["late"]))
        await until(lambda: _is_kept(made, "late"), worker.tail)
        assert len(receiver.requests) == sent


async def _all_kept(made: Installation) -> bool:
    return set(await _kept(made)) == set(_LEADS)


async def _each_has_a_row(made: Installation) -> bool:
    return {lead for (lead,) in await made.rows("lead_id", "outcome = 'parked'", n=1)} == set(_LEADS)


async def _is_kept(made: Installation, lead: str) -> bool:
    return lead in await _kept(made)


_COMMAND = Path(__file__).parent / "command_process.py"
_ROOT = Path(__file__).parents[2]


async def _kept_by_hand(made: Installation, shell: Shell, receiver: Receiver) -> WorkerProcess:
    """A postback that is parked by hand and keeps a request of each lead, and the worker that kept them."""
    link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
    await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
    assert (await asyncio.to_thread(shell.run, "park", "F-1", "new", "--yes")).returncode == 0
    worker = await made.start().ready()
    await made.send(*lead_events(_LEADS))
    await until(lambda: _all_kept(made), worker.tail)
    return worker


def _killed(shell: Shell, point: str, *arguments: str) -> int:
    """Run a command that is killed at a point; its exit status."""
    environ = {**os.environ, **shell.environ, "TEST_KILL_AT": point, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, str(_COMMAND), *arguments]
    return subprocess.run(command, env=environ, cwd=shell.folder, timeout=60, check=False).returncode


async def _released(made: Installation, receiver: Receiver, shell: Shell) -> Counter[bytes]:
    """Run the release to its end; how often each lead's request arrived. Each has one row, none is kept."""
    done = await asyncio.to_thread(shell.run, "release", "F-1", "new", "--yes")
    assert done.returncode == 0, done.stderr
    rows = await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=len(_LEADS)), "rows")
    assert sorted(lead for (lead,) in rows) == sorted(_LEADS)
    assert await _kept(made) == {}
    states = await read_topic(made.settings, made.settings.topics.postback_states.name)
    assert decode_state(states[-1].value).state == "active"
    return Counter(request.target.rpartition(b"=")[2] for request in receiver.requests)


async def test_a_release_that_is_killed_again_and_again_sends_each_request_once(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        shell = Shell(tmp_path, made.environ)
        worker = await _kept_by_hand(made, shell, receiver)
        assert await worker.stop() == 0, worker.tail()
        for point in ("release: let go", "release: none left", "release: state written"):
            killed = await asyncio.to_thread(_killed, shell, point, "release", "F-1", "new", "--yes")
            assert killed == -9, point
            if len(made.workers) == 1:  # no worker ran while the first was killed
                made.start(name="w2")
        assert await _released(made, receiver, shell) == {lead.encode(): 1 for lead in _LEADS}


async def test_workers_that_are_killed_while_a_release_runs_lose_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        shell = Shell(tmp_path, made.environ)
        worker = await _kept_by_hand(made, shell, receiver)
        assert await worker.stop() == 0, worker.tail()
        releasing = asyncio.create_task(_released(made, receiver, shell))
        for point in ("outbound: sent", "outbound: released taken out", "outbound: row written"):
            doomed = made.start(name=f"w{len(made.workers)}", TEST_KILL_AT=point)
            assert await doomed.ended() == -9, doomed.tail()
        made.start(name="w9")
        arrived = await releasing
        assert set(arrived) == {lead.encode() for lead in _LEADS}
        assert max(arrived.values()) <= 4


async def test_a_discard_killed_and_run_again_gives_each_request_one_row(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        shell = Shell(tmp_path, made.environ)
        await _kept_by_hand(made, shell, receiver)
        killed = await asyncio.to_thread(
            _killed, shell, "discard: rows written", "discard", "F-1", "new", "--yes"
        )
        assert killed == -9
        assert set(await _kept(made)) == set(_LEADS)
        done = await asyncio.to_thread(shell.run, "discard", "F-1", "new", "--yes")
        assert done.stdout.endswith("12 discarded\n")
        assert await _kept(made) == {}
        rows = await until(lambda: made.rows("lead_id", "outcome = 'discarded'", n=len(_LEADS)), "rows")
        assert sorted(lead for (lead,) in rows) == sorted(_LEADS)
        assert receiver.requests == []
