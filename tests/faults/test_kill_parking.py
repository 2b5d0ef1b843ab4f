"""A worker killed between each two effects of parking: every request is kept or delivered."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.messages.request import Request
from app.messages.state import decode_state
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Receiver, answer
from tests.workers import Installation, installation, lead_events, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_LEADS = [f"L-{number}" for number in range(12)]


async def _kept(made: Installation) -> dict[str, Request]:
    """What `postback-parked` holds now, by lead."""
    found: dict[tuple[int, bytes], bytes | None] = {}
    for record in await read_topic(made.settings, made.settings.topics.parked.name):
        found[record.partition, record.key] = record.value
    requests = [msgspec.json.decode(value, type=Request) for value in found.values() if value]
    return {request.origin.lead_id: request for request in requests}


@pytest.mark.parametrize("point", ["outbound: state written", "outbound: parked kept"])
async def test_a_worker_killed_while_it_parks_a_postback_keeps_every_request(
    point: str, kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(401)) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        doomed = made.start("join,outbound", TEST_KILL_AT=point)
        await made.send(*lead_events(_LEADS))
        assert await doomed.ended() == -9, doomed.tail()
        worker = await made.start("join,outbound,log").ready()
        await until(lambda: _all_kept(made), lambda: worker.tail())
        states = await read_topic(made.settings, made.settings.topics.postback_states.name)
        assert {record.key for record in states} == {b'["F-1","new"]'}
        assert {decode_state(record.value).state for record in states} == {"parked"}
        rows = await until(lambda: made.rows("lead_id", "outcome = 'parked'", n=len(_LEADS)), worker.tail)
        assert {lead for (lead,) in rows} == set(_LEADS)
        sent = len(receiver.requests)
        assert await worker.stop() == 0, worker.tail()
        worker = await made.start("join,outbound").ready()
        await made.send(*lead_events(["late"]))
        await until(lambda: _is_kept(made, "late"), worker.tail)
        assert len(receiver.requests) == sent


async def _all_kept(made: Installation) -> bool:
    return set(await _kept(made)) == set(_LEADS)


async def _is_kept(made: Installation, lead: str) -> bool:
    return lead in await _kept(made)
