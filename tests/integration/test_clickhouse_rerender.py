"""Kept requests rendered anew from the lead events that ClickHouse has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.flows.config import parse
from app.flows.flow import Flow
from app.join.build import Source, Terms, join
from app.kit.secrets import Secrets
from app.leads.lead import Lead
from app.log.rows import Record, lead_event
from app.log.tables import LEAD_EVENTS
from app.messages.request import Request
from app.messages.state import parked_key
from app.outbound.kept import Kept, Shelf, release_order
from app.queries.rerender import Rerender
from app.settings import Settings, load
from tests.clickhouse import Database
from tests.log_batches import rows_of

pytestmark = pytest.mark.chdb

_AT_MS = 1_795_446_000_000
_TOKEN = "EAAG1234567890abcdef"


def _flow(template: str, version: int, **more: Any) -> Flow:
    told = {"flow_id": "F-1", "postbacks": [{"id": "fb", "on": ["new"], "template": template, **more}]}
    return parse(json.dumps(told).encode(), version=version)


def _terms(flow: Flow) -> Terms:
    return Terms({flow.flow_id: flow}.get, lambda _: None, lambda: "r", 5.0, 90 * 86_400_000, "w")


def _kept(sources: list[Source], flow: Flow) -> list[Kept]:
    """What JOIN makes of the events, as a parked postback keeps it after one attempt."""
    leads: dict[str, Lead] = {}
    shelf = Shelf(("F-1", "fb"))
    for source in sources:
        effects = join(source, leads.get, _terms(flow), _AT_MS)
        assert effects.lead is not None
        leads[effects.lead.lead_id] = effects.lead
        for request in effects.requests:
            value = msgspec.json.encode(msgspec.structs.replace(request, attempts=1))
            shelf.apply(source.partition, source.offset, parked_key(request), value)
    return release_order(shelf.kept.values())


async def _store(database: Database, sources: list[Source]) -> None:
    records = [Record(s.partition, s.offset, s.timestamp_ms, s.key, s.value) for s in sources]
    rows = [row for record in records for row in rows_of(LEAD_EVENTS, record, lead_event(record))]
    await database.client.insert(
        LEAD_EVENTS.name, [[*row.values()] for row in rows], column_names=list(LEAD_EVENTS.columns)
    )


def _events(count: int) -> list[Source]:
    sources = []
    for number in range(count):
        event = {
            "event_id": "e",
            "lead_id": f"L-{number}",
            "flow_id": "F-1",
            "status": "new",
            "price": number,
        }
        key, value = event["lead_id"], json.dumps(event).encode()
        sources.append(Source("lead-events", number % 4, number, _AT_MS + number, str(key).encode(), value))
    return sources


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"POSTBACKS_WORKER": "w1"})


async def test_all_are_rendered_by_the_flow_of_now_with_their_ids_and_attempts(
    clickhouse: Database, settings: Settings
) -> None:
    events = _events(250)  # more leads than are asked for at once
    await _store(clickhouse, events)
    kept = _kept(events, _flow(f"https://old.er/?p={{price}}&access_token={_TOKEN}", 3))
    flow = _flow(
        f'https://new.er/|JSON|{{"p":{{price}},"token":"{_TOKEN}"}}', 4, headers={"X-Key": "{secret.k}"}
    )
    rerender = Rerender(
        settings,
        {"F-1": flow},
        Secrets({"POSTBACKS_SECRET_k": "sesame"}),
        clickhouse.client,
        max_execution_s=60,
    )
    made = await rerender(kept)
    assert len(made) == 250
    for old, new in zip(kept, made, strict=True):
        assert new is not None
        assert (new.request_id, new.attempts) == (old.request.request_id, 1)
        assert new.body == f'{{"p":{old.lead_id[2:]},"token":"{_TOKEN}"}}'
        assert (new.host, new.origin.flow_version) == ("new.er", 4)
    assert (rerender.differing, rerender.faults) == (250, [])
    [first, *_] = rerender.differences
    assert first[0] == f"request {kept[0].request.request_id}, lead L-0"
    assert "- GET https://old.er/?p=0&access_token=•••" in first
    assert "+ POST https://new.er/" in first
    assert "+ X-Key: •••" in first
    told = json.dumps(rerender.differences)
    assert (_TOKEN in told, "sesame" in told, len(rerender.differences)) == (False, False, 3)


async def test_what_cannot_be_rendered_is_named_with_its_reason_and_the_others_are_made(
    clickhouse: Database, settings: Settings
) -> None:
    events = _events(6)
    await _store(clickhouse, events[:4])
    kept = _kept(events, _flow("https://old.er/?p={price}", 3))
    made = await Rerender(
        settings, {"F-1": _flow("https://new.er/", 4)}, Secrets({}), clickhouse.client, max_execution_s=60
    )(kept)
    assert [request is not None for request in made] == [True] * 4 + [False] * 2
    gone = Rerender(settings, {}, Secrets({}), clickhouse.client, max_execution_s=60)
    assert await gone(kept) == [None] * 6
    assert {(fault.request_id, fault.lead_id) for fault in gone.faults} == {
        (one.request.request_id, one.lead_id) for one in kept
    }
    assert {fault.reason for fault in gone.faults} == {"there is no flow F-1 any more"}


async def test_what_the_newest_version_rendered_goes_as_it_is_though_its_events_are_not_stored_yet(
    clickhouse: Database, settings: Settings
) -> None:
    flow = _flow("https://old.er/?p={price}&t={random}", 3)
    kept = _kept(_events(3), flow)
    rerender = Rerender(settings, {"F-1": flow}, Secrets({}), clickhouse.client, max_execution_s=60)
    made: list[Request | None] = await rerender(kept)
    assert made == [one.request for one in kept]
    assert rerender.differing == 0
