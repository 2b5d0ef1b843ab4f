"""Questions asked of `flow_versions`: flow configs as LOG stored them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.queries.log import settings_of


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A flow config as it was written; its version is its record's offset in `flow-configs`."""

    version: int
    recorded_at: datetime
    value: bytes


async def flow_version(
    client: Any, flow_id: str, version: int, *, max_execution_s: float | None = None
) -> StoredVersion | None:
    """One version of a flow; None when it is not stored. Raises clickhouse-connect's errors."""
    result = await client.query(
        "SELECT offset, recorded_at, value FROM flow_versions FINAL "
        "WHERE offset = {version:Int64} AND flow_id = {id:String} AND NOT deleted LIMIT 1",
        parameters={"id": flow_id, "version": version},
        settings=settings_of(max_execution_s),
        column_formats={"value": "bytes"},
    )
    return StoredVersion(*result.result_rows[0]) if result.result_rows else None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a flow in its history; a deletion has an empty value."""

    version: int
    recorded_at: datetime
    deleted: bool
    value: bytes


async def versions_of_flow(
    client: Any, flow_id: str, *, limit: int = 100, max_execution_s: float | None = None
) -> list[Version]:
    """The newest versions of a flow, newest first. Raises clickhouse-connect's errors."""
    result = await client.query(
        "SELECT offset, recorded_at, deleted, value FROM flow_versions FINAL "
        "WHERE flow_id = {id:String} ORDER BY offset DESC LIMIT {limit:UInt32}",
        parameters={"id": flow_id, "limit": limit},
        settings=settings_of(max_execution_s),
        column_formats={"value": "bytes"},
    )
    return [Version(*row) for row in result.result_rows]
