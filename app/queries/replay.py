"""Which requests a replay is about: their newest state, and where their first record lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.queries.filters import FilterFault, Filters, where_log
from app.queries.log import settings_of

_STATE = (
    "request_id, lead_id, event_id, lead_seq, flow_id, postback_id, event, host, requested_at, outcome, "
    "verdict, replay"
)
# The first record of a request is what JOIN wrote; a request that it could not render has its lead event.
_ADDRESS = (
    "argMin(tuple(source_topic, request_partition, request_offset, request_index), "
    "tuple(source_topic != {requests:String}, replay, attempts, logged_at))"
)


@dataclass(frozen=True)
class Replayable:
    """A request by its newest state; `replay` is the highest so far.

    Its first record is at `partition`, `offset`, `index` of `postback-requests`; `offset` is -1 for one that
    was never rendered.
    """

    request_id: str
    lead_id: str
    event_id: str
    lead_seq: int
    flow_id: str
    postback_id: str
    event: str
    host: str
    requested_at: datetime
    outcome: str
    verdict: str
    replay: int
    partition: int
    offset: int
    index: int


async def find_replayable(
    client: Any,
    filters: Filters,
    *,
    requests_topic: str,
    request_ids: Sequence[str] = (),
    verdicts: Sequence[str] = (),
    max_execution_s: float | None = None,
) -> list[Replayable]:
    """The requests whose newest state meets everything asked for, oldest first, those of a lead in order.

    The times of `filters` are those of the newest row. Raises `FilterFault` for free text, which states do
    not hold, and clickhouse-connect's errors.
    """
    if filters.text:
        raise FilterFault("a replay knows no free text; choose requests by their ids")
    also: dict[str, tuple[str, dict[str, Any]]] = {}
    if request_ids:
        also["ids"] = ("request_id IN {ids:Array(String)}", {"ids": list(request_ids)})
    if verdicts:
        also["verdicts"] = ("verdict IN {verdicts:Array(String)}", {"verdicts": list(verdicts)})
    where = where_log(filters, also=also)
    chosen = f"FROM postback_requests FINAL {where.sql}"
    states = f"SELECT {_STATE} {chosen} ORDER BY requested_at, lead_seq, request_id"
    addresses = (
        f"SELECT request_id, {_ADDRESS} FROM postback_log "  # noqa: S608 - fixed pieces, bound values
        f"WHERE (flow_id, requested_at, request_id) IN (SELECT flow_id, requested_at, request_id {chosen}) "
        "GROUP BY request_id"
    )
    asked = {
        "parameters": {**where.parameters, "requests": requests_topic},
        "settings": settings_of(max_execution_s),
    }
    found = dict((await client.query(addresses, **asked)).result_rows)
    rows = (await client.query(states, **asked)).result_rows
    return [Replayable(*(*row, *_place(found[row[0]], requests_topic))) for row in rows if row[0] in found]


def _place(address: tuple[str, int, int, int], requests_topic: str) -> tuple[int, int, int]:
    topic, partition, offset, index = address
    return (partition, offset, index) if topic == requests_topic else (partition, -1, 0)
