"""The stored lead events of a time, lead after lead, however many there are.

They are read by partition, which the table is sorted by, and within it in shares of leads that fit into
memory: a share is the leads whose hash has one remainder, so it is sorted and sent at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from app.flows.decide import GLOBAL
from app.join.build import Source
from app.leads.events import LeadEvent, decode
from app.queries.log import settings_of

EVENTS_AT_ONCE = 50_000

_WITHIN = (
    "recorded_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') "
    "AND recorded_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
)
_BEFORE_END = "recorded_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
_OF_FLOW = " AND lead_id IN (SELECT lead_id FROM lead_events WHERE flow_id = {flow:String})"
_COUNT = """
    SELECT partition, count() FROM lead_events
    WHERE {before} AND (partition, lead_id) IN (SELECT partition, lead_id FROM lead_events WHERE {within})
    {of_flow} GROUP BY partition ORDER BY partition
"""
_SHARE = "partition = {partition:UInt32} AND cityHash64(lead_id) % {shares:UInt32} = {share:UInt32}"
_EVENTS = """
    SELECT lead_id, offset, toUnixTimestamp64Milli(recorded_at), value FROM lead_events
    WHERE {share} AND {before}
    AND lead_id IN (SELECT lead_id FROM lead_events WHERE {share} AND {within}) {of_flow}
    ORDER BY lead_id, offset LIMIT 1 BY lead_id, offset
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Which lead events are meant: of a flow's leads, by Kafka timestamp (Unix ms, `to_ms` excluded)."""

    flow_id: str
    from_ms: int
    to_ms: int

    def __contains__(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class Share:
    """Leads of one partition, by the hash of their ids; `events` is how many the partition has."""

    partition: int
    number: int
    shares: int
    events: int

    @property
    def parameters(self) -> dict[str, int]:
        """What names it in a query."""
        return {"partition": self.partition, "share": self.number, "shares": self.shares}


LEADS_OF_SHARE = (
    "cityHash64(lead_id) % {shares:UInt32} = {share:UInt32} "  # noqa: S608 - fixed pieces
    f"AND lead_id IN (SELECT lead_id FROM lead_events WHERE {_SHARE})"
)
"""The condition that a row is of a lead of a share."""


async def shares_of(
    client: Any, span: Span, *, most: int = EVENTS_AT_ONCE, max_execution_s: float | None = None
) -> list[Share]:
    """The shares in which the leads that had an event in the span are read.

    Raises clickhouse-connect's errors.
    """
    sql = _COUNT.format(before=_BEFORE_END, within=_WITHIN, of_flow=_of_flow(span))
    result = await client.query(sql, parameters=_parameters(span), settings=settings_of(max_execution_s))
    found = []
    for partition, events in result.result_rows:
        shares = -(-events // most)
        found += [Share(partition, number, shares, events) for number in range(shares)]
    return found


async def leads_in(
    client: Any, span: Span, share: Share, topic: str, *, max_execution_s: float | None = None
) -> list[list[Source]]:
    """All events, from the first stored to the span's end, of a share's leads: a list for each, in order.

    Of a lead that was erased meanwhile only what came after that. `topic` is that
    of the lead events. Raises clickhouse-connect's errors.
    """
    sql = _EVENTS.format(share=_SHARE, before=_BEFORE_END, within=_WITHIN, of_flow=_of_flow(span))
    result = await client.query(
        sql,
        parameters={**_parameters(span), **share.parameters},
        settings=settings_of(max_execution_s),
        column_formats={"value": "bytes"},
    )
    return [
        since_erasure(
            [Source(topic, share.partition, offset, at_ms, None, value) for _, offset, at_ms, value in events]
        )
        for _, events in groupby(result.result_rows, key=itemgetter(0))
    ]


def since_erasure(events: Sequence[Source]) -> list[Source]:
    """A lead's events behind the last that erased it: nothing is made of those before, wherever they are."""
    at = len(events)
    while at and not _erases(events[at - 1]):
        at -= 1
    return list(events[at:])


def _erases(source: Source) -> bool:
    event = decode(source.value)
    return isinstance(event, LeadEvent) and event.erase


def _of_flow(span: Span) -> str:
    """Flow `*` serves leads of whatever flow."""
    return "" if span.flow_id == GLOBAL else _OF_FLOW


def _parameters(span: Span) -> dict[str, Any]:
    return {"flow": span.flow_id, "from_ms": span.from_ms, "to_ms": span.to_ms}
