"""Questions asked of `lead_events`: a lead's events as LOG stored them."""

from __future__ import annotations

from typing import Any

from app.queries.log import settings_of
from app.queries.story import StoredEvent


async def events_of_lead(
    client: Any, lead_id: str, *, max_execution_s: float | None = None
) -> list[StoredEvent]:
    """All stored events of a lead, by partition and offset. Raises clickhouse-connect's errors."""
    result = await client.query(
        "SELECT partition, offset, recorded_at, value FROM lead_events FINAL WHERE lead_id = {id:String} "
        "ORDER BY partition, offset",
        parameters={"id": lead_id},
        settings=settings_of(max_execution_s),
        column_formats={"value": "bytes"},
    )
    return [StoredEvent(*row) for row in result.result_rows]
