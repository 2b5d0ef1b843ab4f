"""Questions asked of `flow_versions`: flow configs as LOG stored them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.queries.log import settings_of


@dataclass(frozen=True, slots=True)
class Version:
    """A flow config as it was written; its version is its record's offset. A deletion has an empty value."""

    version: int
    recorded_at: datetime
    deleted: bool
    value: bytes


async def flow_version(
    client: Any, flow_id: str, version: int, *, max_execution_s: float | None = None
) -> Version | None:
    """One version of a flow; None when it is a deletion or not stored. Raises clickhouse-connect's errors."""
    found = await _versions(
        client,
        "AND offset = {version:Int64} AND NOT deleted LIMIT 1",
        {"id": flow_id, "version": version},
        max_execution_s,
    )
    return found[0] if found else None


async def versions_of_flow(
    client: Any, flow_id: str, *, limit: int = 100, max_execution_s: float | None = None
) -> list[Version]:
    """The newest versions of a flow, newest first. Raises clickhouse-connect's errors."""
    newest = "ORDER BY offset DESC LIMIT {limit:UInt32}"
    return await _versions(client, newest, {"id": flow_id, "limit": limit}, max_execution_s)


async def _versions(
    client: Any, which: str, parameters: dict[str, Any], max_execution_s: float | None
) -> list[Version]:
    result = await client.query(
        "SELECT offset, recorded_at, deleted, value FROM flow_versions FINAL "  # noqa: S608 - fixed pieces
        f"WHERE flow_id = {{id:String}} {which}",
        parameters=parameters,
        settings=settings_of(max_execution_s),
        column_formats={"value": "bytes"},
    )
    return [Version(*row) for row in result.result_rows]
