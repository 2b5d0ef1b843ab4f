"""The lead events that LOG stored, as JOIN read them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.join.build import Source
from app.queries.log import settings_of

LEADS_AT_ONCE = 100

_SQL = """
    SELECT lead_id, partition, offset, toUnixTimestamp64Milli(recorded_at) AS at_ms, value
    FROM lead_events FINAL WHERE lead_id IN {ids:Array(String)} ORDER BY partition, offset
"""


async def events_of_leads(
    client: Any, topic: str, lead_ids: Collection[str], *, max_execution_s: float | None = None
) -> dict[str, list[Source]]:
    """The records of `topic` (`lead-events`) by lead, in their order; a lead without any has none.

    They come without their keys. Raises clickhouse-connect's errors.
    """
    found: dict[str, list[Source]] = {lead_id: [] for lead_id in lead_ids}
    ids = list(found)
    for at in range(0, len(ids), LEADS_AT_ONCE):
        result = await client.query(
            _SQL,
            parameters={"ids": ids[at : at + LEADS_AT_ONCE]},
            settings=settings_of(max_execution_s),
            column_formats={"value": "bytes"},
        )
        for lead_id, partition, offset, at_ms, value in result.result_rows:
            found[lead_id].append(Source(topic, partition, offset, at_ms, None, value))
    return found
