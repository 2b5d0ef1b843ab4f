"""The producers in `examples`: each writes lead events as our own does, and says what went wrong."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.leads.events import LeadEvent, decode
from tests.clickhouse import Database
from tests.kafka import Kafka, free_port
from tests.workers import Installation, installation, read_topic

_ROOT = Path(__file__).parents[2]
_EXAMPLES = _ROOT / "examples"
_TOKEN = "a-token-that-edits"
_LEADS = ["L", "L-1", "L-42", "лід-7", "リード", "a lead/with?signs", *(f"{n:032x}" for n in range(30))]
_SOLD = b'{"event_id": "e-1", "lead_id": "L", "status": "sold"}\n'
_STATUSES = ("new", "hold", "approve", "cancel")

KAFKA_CLIENTS = {
    "python": (str(_ROOT / ".venv/bin/python"), str(_EXAMPLES / "python/produce.py")),
    "node": ("node", str(_EXAMPLES / "node/produce.mjs")),
    "go": (str(_ROOT / ".cache/examples/produce-go"),),
}
HTTP_CLIENTS = {
    "php": ("php", str(_EXAMPLES / "php/produce.php")),
    "curl": ("sh", "-c", f'cat > "$0" && exec {_EXAMPLES}/curl/produce.sh "$0"'),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class _Ended:
    status: int
    out: str
    error: str


async def _run(command: tuple[str, ...], lines: bytes, environ: Mapping[str, str]) -> _Ended:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )
    out, error = await process.communicate(lines)
    assert process.returncode is not None
    return _Ended(process.returncode, out.decode(), error.decode())


def _events(name: str) -> list[dict[str, Any]]:
    """Each lead's events in order, those of all leads mixed."""
    return [
        {"event_id": f"{name}-{lead}-{status}", "lead_id": lead, "flow_id": "F-1", "status": status}
        for status in _STATUSES
        for lead in _LEADS
    ]


def _lines(events: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode()


async def _written(made: Installation) -> dict[str, list[tuple[int, int, LeadEvent]]]:
    """Partition, offset and event of each record, by who wrote it."""
    written = defaultdict(list)
    for record in await read_topic(made.settings, made.settings.topics.lead_events.name):
        event = decode(record.value)
        assert isinstance(event, LeadEvent), event
        assert record.key == event.lead_id.encode()
        written[event.event_id.partition("-")[0]].append((record.partition, record.offset, event))
    return written


@pytest.mark.kafka
@pytest.mark.chdb
async def test_each_example_writes_a_lead_where_our_producer_does_and_in_its_order(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    # Six partitions: with four a hash that is not made positive as Kafka does it would go the same way.
    environ = {"partitions": "6", "token": _TOKEN}
    async with installation(kafka, clickhouse, tmp_path, **environ) as made:
        web = await made.start("web").ready()
        told = {**made.environ, "POSTBACKS_URL": f"http://127.0.0.1:{web.web_port}"}
        examples = {**KAFKA_CLIENTS, **HTTP_CLIENTS}
        examples["curl"] += (str(tmp_path / "events.jsonl"),)
        ended = await asyncio.gather(
            *(_run(command, _lines(_events(name)), told) for name, command in examples.items())
        )
        for name, end in zip(examples, ended, strict=True):
            assert (end.status, end.error) == (0, ""), name
        await made.send(*_events("ours"))
        written = await _written(made)
        assert written.keys() == {"ours", *examples}
        places = {event.lead_id: partition for partition, _, event in written["ours"]}
        assert len(set(places.values())) == 6
        for name in examples:
            by_lead = defaultdict(list)
            for partition, _, event in sorted(written[name], key=lambda one: one[1]):
                assert partition == places[event.lead_id], f"{name}: lead {event.lead_id}"
                by_lead[event.lead_id].append(event.status)
            assert dict(by_lead) == {lead: list(_STATUSES) for lead in _LEADS}, name
        for name in HTTP_CLIENTS:
            refused = await _run(
                examples[name], b'{"event_id": "e", "lead_id": "L", "status": "sold"}\n', told
            )
            assert refused.status in (2, 22), name
            assert "unknown status" in refused.out + refused.error, name
            stranger = await _run(examples[name], _lines(_events("x")), {**told, "POSTBACKS_TOKEN": "no"})
            assert stranger.status in (2, 22), name


@pytest.mark.parametrize("name", sorted(KAFKA_CLIENTS))
async def test_an_example_says_that_kafka_is_away_and_what_line_is_wrong(name: str) -> None:
    environ = {"POSTBACKS_KAFKA": f"127.0.0.1:{free_port()}"}
    away, wrong = await asyncio.gather(
        _run(KAFKA_CLIENTS[name], _lines(_events("x"))[:1000].rpartition(b"\n")[0], environ),
        _run(KAFKA_CLIENTS[name], b'{"event_id": "e-1", "lead_id": "L"}\n\n{"lead_id": "L"}\n', environ),
    )
    assert away.status == 1
    assert "produce: 0 of" in away.error
    assert "127.0.0.1" in away.error
    assert (wrong.status, wrong.error) == (
        2,
        "produce: line 3: a lead event is an object with event_id and lead_id\n",
    )
    assert "Traceback" not in away.error
