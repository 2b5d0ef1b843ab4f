"""`postbacks leads erase`: nothing of a person is found or sent afterwards, and others lose nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.messages.record import LogRecord
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer
from tests.shell import Shell
from tests.workers import Installation, installation, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(400)]

_PERSON = {"name": "Zoryana Qwertenko", "phone": "+380631112233", "email": "zoryana@example.org"}
_MARKS = ("Qwertenko", "380631112233", "zoryana")
_TABLES = (
    "postback_log",
    "postback_requests",
    "lead_events",
    "postback_stats_hours",
    "postback_totals_hours",
)


async def _by_path(exchange: Exchange) -> None:
    """`/ok` takes what comes, `/down` is to be tried again, `/no` refuses us."""
    path = exchange.received.target.decode().partition("?")[0]
    await answer({"/ok": 200, "/down": 503}.get(path, 401))(exchange)


def _flow(receiver: Receiver) -> dict[str, Any]:
    person = "n={name}&p={phone|digits}&e={email}"
    postbacks: list[dict[str, Any]] = [
        {"id": path, "on": ["new", "approve"], "template": f"{receiver.url('/' + path)}?{person}&l={{id}}"}
        for path in ("ok", "down", "no")
    ]
    for postback in postbacks:
        postback["retry"] = {"waits_s": [12], "max_attempts": 20}
    postbacks[1]["when"] = {"subid": "click-of-zoryana"}  # a host that only fails would have its circuit open
    return {"flow_id": "F-1", "postbacks": postbacks}


def _event(lead: str, status: str = "new", **more: Any) -> dict[str, Any]:
    return {"event_id": f"{lead}-{status}", "lead_id": lead, "flow_id": "F-1", "status": status, **more}


async def _person_in_clickhouse(database: Database) -> list[str]:
    """The tables that hold a mark of the person in any column."""
    found = []
    for table in _TABLES:
        rows = await database.rows(f"SELECT toJSONString(tuple(*)) FROM {table}")
        if any(mark in row for (row,) in rows for mark in _MARKS):
            found.append(table)
    return found


async def _leads_kept(made: Installation) -> dict[bytes, bytes | None]:
    """The leads' changelog as it is after compaction."""
    records = await read_topic(made.settings, made.settings.topics.leads_changelog.name)
    return {record.key: record.value for record in records}


async def _discarded(made: Installation, postback_id: str) -> LogRecord | None:
    """The record of a postback's request that was thrown away."""
    found = [one for one in await made.log_records() if one.outcome == "discarded"]
    return next((one for one in found if one.postback_id == postback_id), None)


async def test_nothing_of_an_erased_person_is_found_and_nothing_more_is_sent(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        installation(kafka, clickhouse, tmp_path, partitions="2") as made,
        Receiver(_by_path) as receiver,
    ):
        await made.apply(_flow(receiver))
        worker = await made.start().ready()
        shell = Shell(tmp_path, made.environ)
        others = [f"L-{number}" for number in range(4)]
        await made.send(*(_event(lead, customer={"name": f"Name of {lead}"}) for lead in others))
        person = _event("L-x", customer=_PERSON, tags={"subid": "click-of-zoryana"})
        await made.send(person, _event("L-x", "hold"))

        async def waits() -> bool:
            outcomes = await made.rows("postback_id, outcome", "lead_id = 'L-x'", "postback_id, attempt")
            return {("ok", "delivered"), ("down", "retrying"), ("no", "parked")} <= set(outcomes)

        await until(waits, worker.tail, 120)
        assert set(await _person_in_clickhouse(clickhouse)) >= set(_TABLES[:3])
        await until(
            lambda: clickhouse.value("SELECT count() FROM postback_stats_hours WHERE subid != ''"), "stats"
        )
        asked = await asyncio.to_thread(shell.run, "leads", "erase", "L-x", stdin="n\n")
        assert asked.returncode == 1
        assert "1 requests wait to be sent again, 1 are parked" in asked.stdout
        assert "nothing was done" in asked.stderr

        done = await asyncio.to_thread(shell.rows, "leads", "erase", "L-x", "--yes", "--json")
        found, erased = done
        assert (found["waiting"], found["parked"], erased["parked_deleted"]) == (1, 1, 1)
        assert erased["rows_deleted"]["lead_events"] == 3  # with the one that erased it
        remains = {one["where"]: one["until"] for one in erased["remains"]}
        topics = made.settings.topics
        assert remains[f"topic {topics.lead_events.name}"] == "90 days after each record"
        assert remains[f"topic {topics.requests.name}"] == "7 days after each record"
        assert "1 delivered" in remains["receiver 127.0.0.1"]
        assert await _person_in_clickhouse(clickhouse) == []
        assert (await _leads_kept(made))[b"L-x"] is None
        parked = await read_topic(made.settings, topics.parked.name)
        ours = {record.key for record in parked if b"L-x" in (record.value or b"")}
        newest = {record.key: record.value for record in parked}
        assert [newest[key] for key in ours] == [None]

        # The request that waited comes back, is not sent, and its row tells nothing of the person.
        sent = len([one for one in receiver.requests if b"Qwertenko" in one.target])
        discarded = await until(lambda: _discarded(made, "down"), worker.tail, 90)
        assert (discarded.lead_id, discarded.reason) == ("L-x", "erased: its lead was")
        assert not any(mark in repr(discarded) for mark in _MARKS)
        assert await _person_in_clickhouse(clickhouse) == []
        assert len([one for one in receiver.requests if b"Qwertenko" in one.target]) == sent

        # Others lost nothing; what comes later begins the lead anew, or is refused as of an unknown one.
        assert len(await made.rows("lead_id", "postback_id = 'ok'")) == len(others)
        assert {f"L-{number}".encode() for number in range(4)} == {
            key for key, value in (await _leads_kept(made)).items() if value is not None
        }
        await made.send({"event_id": "L-x-price", "lead_id": "L-x", "price": 5})
        await until(lambda: made.rows("reason", "outcome = 'rejected'", n=1), worker.tail)
        assert "lead L-x is unknown" in (await made.rows("reason", "outcome = 'rejected'"))[0][0]
        anew = {**_event("L-x", customer={"name": "Somebody Else"}), "event_id": "L-x-anew"}
        await made.send(anew)
        await until(lambda: made.rows("1", "lead_id = 'L-x' AND outcome = 'delivered'", n=1), worker.tail)

        await worker.stop()
        stands = await asyncio.to_thread(shell.run, "leads", "show", "L-x")
        assert "Somebody Else" in stands.stdout
