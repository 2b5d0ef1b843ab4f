"""Questions asked of `lead_events`: leads' events as LOG stored them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.queries.log import settings_of
from app.queries.story import StoredEvent

_LEADS_AT_ONCE = 100
_SQL = """
    SELECT lead_id, partition, offset, recorded_at, value FROM lead_events FINAL
    WHERE lead_id IN {ids:Array(String)} ORDER BY partition, offset
"""


async def events_of_lead(
    client: Any, lead_id: str, *, max_execution_s: float | None = None
) -> list[StoredEvent]:
    """All stored events of a lead, by partition and offset. Raises clickhouse-connect's errors."""
    return (await events_of_leads(client, [lead_id], max_execution_s=max_execution_s))[lead_id]


async def events_of_leads(
    client: Any, lead_ids: Collection[str], *, max_execution_s: float | None = None
) -> dict[str, list[StoredEvent]]:
    """The same of several leads; one without any has an empty list."""
    found: dict[str, list[StoredEvent]] = {lead_id: [] for lead_id in lead_ids}
    ids = list(found)
    for at in range(0, len(ids), _LEADS_AT_ONCE):
        result = await client.query(
            _SQL,
            parameters={"ids": ids[at : at + _LEADS_AT_ONCE]},
            settings=settings_of(max_execution_s),
            column_formats={"value": "bytes"},
        )
        for lead_id, *event in result.result_rows:
            found[lead_id].append(StoredEvent(*event))
    return found
