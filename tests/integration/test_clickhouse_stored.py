"""Stored lead events, lead after lead: each lead is in one share, whole and in order."""

from __future__ import annotations

import json

import pytest

from app.join.build import Source
from app.log.rows import Record, lead_event
from app.log.tables import LEAD_EVENTS
from app.queries.stored import Span, leads_in, shares_of
from tests.clickhouse import Database
from tests.log_batches import rows_of

pytestmark = pytest.mark.chdb

_AT_MS = 1_795_446_000_000
_TOPIC = "p.lead-events"


def _event(offset: int, lead: str, flow: str | None) -> Source:
    told = {"event_id": f"e-{offset}", "lead_id": lead, "status": "new"} | ({"flow_id": flow} if flow else {})
    at_ms = _AT_MS + offset * 1_000
    return Source(_TOPIC, sum(lead.encode()) % 3, offset, at_ms, None, json.dumps(told).encode())


async def _store(database: Database, sources: list[Source]) -> None:
    records = [Record(s.partition, s.offset, s.timestamp_ms, s.key, s.value) for s in sources]
    rows = [[*row.values()] for r in records for row in rows_of(LEAD_EVENTS, r, lead_event(r))]
    await database.client.insert(LEAD_EVENTS.name, rows, column_names=list(LEAD_EVENTS.columns))


async def _read(database: Database, span: Span, most: int) -> list[list[Source]]:
    shares = await shares_of(database.client, span, most=most)
    assert sum(share.events for share in shares if share.number == 0) >= len(shares) - 3
    return [lead for share in shares for lead in await leads_in(database.client, span, share, _TOPIC)]


async def test_each_lead_with_an_event_in_the_span_comes_once_with_all_before(clickhouse: Database) -> None:
    first = [_event(number, f"L-{number}", "F-1" if number % 2 else "F-2") for number in range(20)]
    later = [_event(20 + number, f"L-{number}", None) for number in range(12)]
    await _store(clickhouse, [*first, *later])
    await _store(clickhouse, later)  # a batch that was written twice
    span = Span("*", _AT_MS + 20_000, _AT_MS + 30_000)
    expected = sorted(([first[n], later[n]] for n in range(10)), key=str)
    for most in (3, 50_000):
        assert sorted(await _read(clickhouse, span, most), key=str) == expected
    of_flow = Span("F-1", span.from_ms, span.to_ms)
    assert sorted(await _read(clickhouse, of_flow, 3), key=str) == [
        lead for lead in expected if lead[0] in first[1::2]
    ]
    assert await _read(clickhouse, Span("*", _AT_MS + 90_000, _AT_MS + 91_000), 3) == []
