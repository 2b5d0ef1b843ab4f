"""Pages of the log, whatever rows share a millisecond: none is lost, none comes twice, newest first."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.log.rows import BadRecord
from app.log.writer import Writer
from app.messages.record import Address, LogRecord
from app.queries.filters import Filters
from app.queries.log import list_rows
from tests.clickhouse import Database
from tests.log_batches import log_batch

pytestmark = pytest.mark.chdb

_NOON_MS = 1_795_521_600_000
_examples = itertools.count()


class _Row(NamedTuple):
    """A row: its time, its partition, and when it came again, if it did."""

    logged_ms: int
    partition: int
    again_ms: int | None


_rows = st.lists(
    st.builds(_Row, st.integers(0, 2), st.integers(0, 1), st.none() | st.integers(0, 3)), max_size=14
)


async def _never(bad: BadRecord) -> None:
    raise AssertionError(bad)


def _placed(example: int, rows: list[_Row], partition: int, again: bool) -> list[tuple[Address, LogRecord]]:
    """The rows of a partition with their places, a few of each record; those that came again lie behind."""
    found = []
    for number, row in enumerate(rows):
        logged_ms = row.again_ms if again else row.logged_ms
        if row.partition != partition or logged_ms is None:
            continue
        record = LogRecord(
            logged_at=_NOON_MS + logged_ms,
            requested_at=_NOON_MS,
            outcome="delivered",
            attempt_id=f"a{number}",
            attempt=1,
            source=Address(partition, number),
            source_topic="p.postback-requests",
            request_id=f"r{number}",
            flow_id=f"F-{example}",
        )
        offset = (
            1000 * example + 100 * again + number // 3
        )  # what has an earlier one's address is a repeat of it
        found.append((Address(partition, offset, number % 3), record))
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_rows, limit=st.integers(1, 5))
async def test_pages_never_lose_nor_repeat_a_row(clickhouse: Database, rows: list[_Row], limit: int) -> None:
    example = next(_examples)
    writer = Writer(clickhouse.url)
    lies: dict[str, tuple[int, ...]] = {}
    for again, partition in itertools.product((False, True), range(2)):
        placed = _placed(example, rows, partition, again)
        if placed:
            await writer.insert(log_batch(placed), _never)
        for at, record in placed:
            lies[record.attempt_id] = (record.logged_at, at.partition, at.offset, at.index)
    await writer.close()
    found: list[str] = []
    before = None
    for _ in range(len(rows) + 1):
        page = await list_rows(clickhouse.client, Filters(flow=f"F-{example}"), limit=limit, before=before)
        found += [row.attempt_id for row in page.rows]
        before = page.next
        if before is None:
            break
        assert len(page.rows) == limit
    assert before is None
    assert found == sorted(lies, key=lies.__getitem__, reverse=True)
