"""The tables that LOG writes, as its inserts name them: columns in the order of the rows, with their types.

They repeat what the SQL files say (a test compares the two), so that no insert has to ask for them first.
`partition`, `offset` and `index` name the columns of the address by which a batch is found again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table that LOG writes: its columns with their types, in the order of its rows."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    partition: str
    offset: str
    index: str | None


def _table(name: str, address: tuple[str, str, str | None], columns: str) -> Table:
    pairs = [line.split(maxsplit=1) for line in columns.strip().splitlines()]
    return Table(name, tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), *address)


POSTBACK_LOG = _table(
    "postback_log",
    ("log_partition", "log_offset", "log_index"),
    """
    logged_at         DateTime64(3, 'UTC')
    requested_at      DateTime64(3, 'UTC')
    request_id        String
    attempt           UInt32
    attempt_id        String
    attempts          UInt32
    replay            UInt32
    backfilled        Bool
    event_id          String
    lead_id           String
    lead_seq          UInt64
    lead_flow_id      LowCardinality(String)
    click_id          String
    flow_id           LowCardinality(String)
    flow_version      Int64
    postback_id       LowCardinality(String)
    event             LowCardinality(String)
    outcome           LowCardinality(String)
    reason            String
    verdict           LowCardinality(String)
    rule              LowCardinality(String)
    method            LowCardinality(String)
    host              LowCardinality(String)
    url               String
    request_headers   Map(LowCardinality(String), String)
    request_body      String
    response_status   Nullable(UInt16)
    response_headers  Map(LowCardinality(String), String)
    response_body     String
    error             String
    duration_ms       Nullable(Float64)
    queued_ms         Nullable(Float64)
    next_attempt_at   Nullable(DateTime64(3, 'UTC'))
    price             Nullable(Decimal(18, 6))
    currency          LowCardinality(String)
    geo               LowCardinality(String)
    utm_source        LowCardinality(String)
    utm_campaign      LowCardinality(String)
    utm_content       String
    utm_term          String
    utm_medium        LowCardinality(String)
    subid             String
    worker            LowCardinality(String)
    source_topic      LowCardinality(String)
    request_partition UInt32
    request_offset    Int64
    request_index     UInt32
    log_partition     UInt32
    log_offset        Int64
    log_index         UInt32
    """,
)
LEAD_EVENTS = _table(
    "lead_events",
    ("partition", "offset", None),
    """
    partition   UInt32
    offset      Int64
    recorded_at DateTime64(3, 'UTC')
    lead_id     String
    flow_id     LowCardinality(String)
    event_id    String
    value       String
    """,
)
FLOW_VERSIONS = _table(
    "flow_versions",
    ("partition", "offset", None),
    """
    partition   UInt32
    offset      Int64
    recorded_at DateTime64(3, 'UTC')
    flow_id     String
    deleted     Bool
    value       String
    """,
)
TABLES = {table.name: table for table in (POSTBACK_LOG, LEAD_EVENTS, FLOW_VERSIONS)}
