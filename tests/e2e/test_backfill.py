"""`postbacks backfill` and `simulate`: for stored events, each once, also when they are stopped half-way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.stream.barrier import done_by
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Receiver, answer
from tests.shell import Shell, one_line
from tests.workers import Installation, WorkerProcess, installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_ROOT = Path(__file__).parents[2]
_COMMAND = _ROOT / "tests" / "faults" / "command_process.py"
_LEADS = [f"L-{number}" for number in range(12)]


def _of(postback: str) -> tuple[str, ...]:
    return ("backfill", "--flow", "F-1", "--postback", postback, "--from", "7d")


_LAST_WEEK = _of("fb")


def _flow(receiver: Receiver, path: str = "old", **postbacks: dict[str, Any]) -> dict[str, Any]:
    old = {
        "id": "old",
        "on": ["new"],
        "template": receiver.url(f"/{path}?lead={{id}}&t={{now}}&r={{random}}"),
    }
    return {"flow_id": "F-1", "postbacks": [old, *({"id": key, **told} for key, told in postbacks.items())]}


def _killed(shell: Shell, *arguments: str) -> int:
    """Run a command that is killed when it has written its first requests; its exit status."""
    environ = {**os.environ, **shell.environ, "TEST_KILL_AT": "replay: sent", "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, str(_COMMAND), *arguments]
    return subprocess.run(command, env=environ, cwd=shell.folder, timeout=60, check=False).returncode


async def _stored(made: Installation, count: int) -> None:
    """So many lead events are stored, and JOIN is done with all of them."""
    await until(lambda: _has(made, count), f"{count} lead events are stored")
    settings = made.settings
    await done_by(settings, "join", settings.topics.lead_events.name, range(settings.partitions), print)


async def _has(made: Installation, count: int) -> bool:
    return bool(await made.database.value("SELECT count() FROM lead_events FINAL") == count)


async def _fb(made: Installation, worker: WorkerProcess, outcome: str, count: int) -> None:
    where = f"postback_id = 'fb' AND outcome = '{outcome}'"
    await until(lambda: made.rows("lead_id", where, n=count), worker.tail)


def _compared(told: dict[str, Any]) -> list[int]:
    return [told[key] for key in ("same", "changed", "only_now", "only_then", "unknown")]


def _arrived(receiver: Receiver, path: str) -> Counter[str]:
    """How often what arrived there."""
    begin = f"/{path}?"
    targets = [request.target.decode() for request in receiver.requests]
    return Counter(target.removeprefix(begin) for target in targets if target.startswith(begin))


async def test_a_postback_of_today_sends_last_weeks_events_each_once_however_often_it_is_stopped(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        shell = Shell(tmp_path, made.environ)

        async def run(*arguments: str) -> Any:
            return await asyncio.to_thread(shell.run, *arguments)

        async def rows(*arguments: str) -> list[dict[str, Any]]:
            return await asyncio.to_thread(shell.rows, *arguments)

        await made.apply(_flow(receiver))
        worker = await made.start().ready()
        await made.send(*({**event, "click": {"geo": "UA"}} for event in lead_events(_LEADS)))
        await made.send(*lead_events(_LEADS[:4], "approve"), *lead_events(["else"], flow_id="F-2"), b"{")
        await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=12), worker.tail)
        await _stored(made, 18)
        assert await worker.stop() == 0, worker.tail()  # nothing is sent by a worker from here on

        [told] = await rows("simulate", shell.write("old.json", _flow(receiver)), "--from", "1h")
        assert [told[key] for key in ("same", "changed", "only_now", "only_then", "unknown")] == [
            12,
            0,
            0,
            0,
            0,
        ]
        assert told["now"]["old"] == {"sends": 12}
        assert told["then"]["old"] == {"delivered": 12}

        fb = {
            "on": ["approve", "new"],
            "template": receiver.url("/fb?e={event}.{id}&key=k3y"),
            "when": {"geo": ["UA"]},
        }
        one_line(await run(*_LAST_WEEK, "--yes"), 1, "no postback 'fb'; did you mean old?")
        await made.apply(_flow(receiver, fb=fb))
        asked = await run(*_LAST_WEEK)  # nobody says yes
        assert (asked.returncode, "16 would go" in asked.stdout) == (1, True), asked
        assert "and 6 more" in asked.stdout
        assert asked.stdout.count(f"GET {receiver.url('/fb?e=')}") == 10
        assert "key=•••" in asked.stdout
        assert "k3y" not in asked.stdout

        for _ in range(2):  # what the first wrote is on its way: no worker has taken it
            assert await asyncio.to_thread(_killed, shell, *_LAST_WEEK, "--rate", "3", "--yes") == -9
        look, done = await rows(*_LAST_WEEK, "--rate", "500", "--limit", "2", "--yes")
        begun = look["stays"]["made before: under way"]
        assert (look["would_go"], look["goes"], done) == (16 - begun, 2, {"sent": 2})
        assert 2 <= begun <= 6
        _, done = await rows(*_LAST_WEEK, "--rate", "500", "--yes")
        assert done == {"sent": 14 - begun}
        worker = await made.start(name="w2").ready()
        await until(
            lambda: made.rows("lead_id", "postback_id = 'fb' AND outcome = 'delivered'", n=16), worker.tail
        )
        expected = [f"new.{lead}" for lead in _LEADS] + [f"approve.{lead}" for lead in _LEADS[:4]]
        assert _arrived(receiver, "fb") == {f"e={what}&key=k3y": 1 for what in expected}
        marks = await made.rows("outcome, replay, backfilled, flow_version", "postback_id = 'fb'")
        assert set(marks) == {("delivered", 0, True, 1)}
        assert {row[0] for row in await made.rows("backfilled", "postback_id = 'old'")} == {False}
        [again] = await rows(*_LAST_WEEK)
        assert (again["would_go"], again["stays"]) == (0, {"made before: delivered": 16})

        # JOIN does not know what a backfill sent: what repeats it goes once more, and then JOIN knows.
        for number in range(2):
            await made.send({"event_id": f"again-{number}", "lead_id": "L-0", "status": "approve"})
            await _stored(made, 19 + number)
        await until(lambda: made.rows("reason", "event_id = 'again-1'", n=1), worker.tail)
        await until(
            lambda: made.rows("reason", "event_id = 'again-0' AND outcome = 'delivered'", n=1), worker.tail
        )
        assert _arrived(receiver, "fb")["e=approve.L-0&key=k3y"] == 2

        fewer = {**fb, "on": ["approve"]}
        changed = shell.write("changed.json", _flow(receiver, "new", fb=fewer, ga={**fb, "enabled": False}))
        sent = len(receiver.requests)
        [told] = await rows("simulate", changed, "--from", "7d")
        assert _compared(told) == [4, 12, 0, 13, 0]
        assert told["now"]["ga"] == {"skipped: disabled": 18}
        text = (await run("simulate", changed, "--from", "7d")).stdout
        assert "same 4, changed 12, only now 0, only then 13" in text
        assert f"- GET {receiver.url('/old?lead=')}" in text
        assert f"+ GET {receiver.url('/new?lead=')}" in text
        assert len(receiver.requests) == sent
        one_line(await run("simulate", "old.json", "--from", "nonsense"), 2, "is no time")


async def test_what_is_too_old_or_parked_or_comes_to_a_sick_receiver_goes_the_way_of_all_requests(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        shell = Shell(tmp_path, made.environ)

        async def run(*arguments: str) -> Any:
            return await asyncio.to_thread(shell.run, *arguments)

        old = {"occurred_at": "2020-01-01T00:00:00Z"}
        slow = {"on": ["new"], "template": receiver.url("/slow?lead={id}"), "delay_s": 3_000}
        await made.apply(_flow(receiver, slow=slow))
        worker = await made.start().ready()
        first = [{**event, **old, "click": {"id": f"c-{event['lead_id']}"}} for event in lead_events(_LEADS)]
        await made.send(*first, *lead_events(["fresh"]))
        await _stored(made, 13)
        for where, count in (("postback_id = 'old'", 13), ("postback_id = 'slow'", 12)):
            await until(partial(made.rows, "lead_id", where, n=count), worker.tail)
        fb = {"on": ["new"], "template": receiver.url("/fb?lead={id}")}
        await made.apply(_flow(receiver, slow=slow, fb=fb))
        assert (await run("park", "F-1", "fb", "--yes")).returncode == 0
        await until(lambda: worker.metric("postbacks_parked_postbacks") == 1, worker.tail)
        [waits] = await asyncio.to_thread(shell.rows, *_of("slow"), "--ignore-deadline")
        assert waits["stays"] == {"made before: failed": 12, "made before: under way": 1}  # it lies in a tier
        asked = await run(*_LAST_WEEK, "--yes")
        assert "12 not: past the deadline" in asked.stdout
        assert "1 sent" in asked.stdout, asked
        await until(
            lambda: made.rows("lead_id", "postback_id = 'fb' AND outcome = 'parked'", n=1), worker.tail
        )
        all_of_them = await run(*_LAST_WEEK, "--ignore-deadline", "--yes", "--rate", "500")
        assert "12 sent" in all_of_them.stdout, all_of_them
        assert "1 not: made before: parked" in all_of_them.stdout
        await until(
            lambda: made.rows("lead_id", "postback_id = 'fb' AND outcome = 'parked'", n=13), worker.tail
        )
        assert _arrived(receiver, "fb") == {}
        assert (await run("release", "F-1", "fb", "--yes")).returncode == 0
        await until(
            lambda: made.rows("lead_id", "postback_id = 'fb' AND outcome = 'delivered'", n=13), worker.tail
        )
        assert _arrived(receiver, "fb") == {f"lead={lead}": 1 for lead in [*_LEADS, "fresh"]}

        theirs = [f"c-{lead};{'wait' if lead != 'L-2' else 'sale'};" for lead in _LEADS[2:]]
        (tmp_path / "net.csv").write_text(
            "\n".join(["SubID;Status;Payout", *theirs, "c-X;sale;1,5", ";;1", ""])
        )
        compare = ("reconcile", "--flow", "F-1", "--postback", "fb", "net.csv")
        told = await run(*compare, "--csv", "out.csv")
        assert "9 clicks are the same" in told.stdout, told
        for line in (
            "they lack: c-L-0, delivered, and not in the list, ours new delivered",
            "differs: c-L-2, status, ours new delivered, theirs sale line 2",
            "not sent: c-X, the log has no such click, theirs sale 1.5 line 12",
            "1 of our requests have no click id",
            "--replay sends again what they lack: 2 requests",
        ):
            assert line in told.stdout, told
        assert "net.csv:13: no click id" in told.stderr
        assert (tmp_path / "out.csv").read_text().count("\n") == 5
        again = await run(*compare, "--replay", "--ignore-deadline", "--yes")
        assert "2 requests" in again.stdout
        assert "2 sent again" in again.stdout, again
        await until(lambda: made.rows("lead_id", "replay = 1 AND outcome = 'delivered'", n=2), worker.tail)
        twice = {lead for lead, count in _arrived(receiver, "fb").items() if count == 2}
        assert twice == {"lead=L-0", "lead=L-1"}
        [*_, counts] = await asyncio.to_thread(shell.rows, *compare)
        assert (counts["same"], counts["they_lack"], counts["not_sent"], counts["bad_lines"]) == (9, 2, 1, 1)
        one_line(
            await run(*compare, "--columns", "clik=SubID"), 2, "--columns knows click, status and payout"
        )
