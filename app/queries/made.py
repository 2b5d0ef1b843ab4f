"""Which requests were made of leads, whatever became of them, as `postback_requests` has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from app.outbound.underway import OnItsWay
from app.queries.log import settings_of
from app.queries.stored import LEADS_OF_SHARE, Share, Span

# A row without a method is of a request that could not be rendered; a dry run sent nothing. Both may be made.
_MADE = "flow_id = {flow:String} AND method != '' AND NOT (outcome = 'skipped' AND reason = 'dry run')"
WITHIN = (
    "requested_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') "
    "AND requested_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
)


@dataclass(frozen=True, slots=True)
class Made:
    """A request that was made; `outcome` is its newest, `under way` for one that has no row yet."""

    request_id: str
    postback_id: str
    event: str
    event_id: str
    lead_id: str
    flow_version: int
    outcome: str
    requested_ms: int


def on_its_way(one: OnItsWay) -> Made:
    """A request without a row, as one that was made."""
    return Made(
        one.request_id, one.postback_id, one.event, "", "", one.flow_version, "under way", one.requested_at
    )


async def made_of(
    client: Any, flow_id: str, share: Share, *, max_execution_s: float | None = None
) -> dict[str, Made]:
    """The requests that a flow's postbacks made of a share's leads, by their ids.

    Raises clickhouse-connect's errors.
    """
    result = await client.query(
        "SELECT request_id, postback_id, event, event_id, lead_id, flow_version, outcome, "  # noqa: S608 - fixed pieces
        "toUnixTimestamp64Milli(requested_at) FROM postback_requests FINAL "
        f"WHERE {_MADE} AND {LEADS_OF_SHARE}",
        parameters={"flow": flow_id, **share.parameters},
        settings=settings_of(max_execution_s),
    )
    return {row[0]: Made(*row) for row in result.result_rows}


async def counts_of(
    client: Any, span: Span, *, max_execution_s: float | None = None
) -> dict[str, Counter[str]]:
    """How many requests a flow's postbacks made in a span: by postback, and by what became of them.

    What JOIN skipped is counted by its reason. Raises clickhouse-connect's errors.
    """
    asked = {
        "parameters": {"flow": span.flow_id, "from_ms": span.from_ms, "to_ms": span.to_ms},
        "settings": settings_of(max_execution_s),
    }
    requests = await client.query(
        f"SELECT postback_id, outcome, count() FROM postback_requests FINAL WHERE {_MADE} AND {WITHIN} "  # noqa: S608 - fixed pieces
        "GROUP BY ALL",
        **asked,
    )
    skips = await client.query(
        "SELECT postback_id, splitByChar(':', reason)[1], count() FROM postback_log FINAL "  # noqa: S608 - fixed pieces
        "WHERE flow_id = {flow:String} AND postback_id != '' AND outcome = 'skipped' AND method = '' "
        f"AND {WITHIN} GROUP BY ALL",
        **asked,
    )
    found: dict[str, Counter[str]] = {}
    for postback_id, what, count in requests.result_rows:
        found.setdefault(postback_id, Counter())[what] += count
    for postback_id, why, count in skips.result_rows:
        found.setdefault(postback_id, Counter())[f"skipped: {why}"] += count
    return found
