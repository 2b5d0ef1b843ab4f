"""The requests of one postback, click by click, as `postback_requests` has them, however many there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.queries.log import settings_of
from app.queries.made import WITHIN
from app.queries.networklist import known_click
from app.queries.reconcile import Ours

_AT_ONCE = 50_000
_CLICKS_AT_ONCE = 100
_WHERE = f"flow_id = {{flow:String}} AND postback_id = {{postback:String}} AND {WITHIN} AND method != ''"
_COUNT = f"SELECT countIf(click_id != ''), countIf(click_id = '') FROM postback_requests FINAL WHERE {_WHERE}"  # noqa: S608 - fixed pieces
_CLICKS = (
    "SELECT click_id, request_id, lead_id, event, outcome, reason, price FROM postback_requests FINAL "  # noqa: S608 - fixed pieces
    f"WHERE {_WHERE} AND click_id != '' "
    "AND cityHash64(trimBoth(click_id)) % {shares:UInt32} = {share:UInt32} "
    "ORDER BY requested_at, lead_seq"
)
_WHY = """
    SELECT click_id, argMaxIf(reason, logged_at, is_asked AND outcome = 'skipped'), max(is_asked),
        max(is_asked AND outcome != 'skipped')
    FROM (
        SELECT *, flow_id = {flow:String} AND postback_id IN ({postback:String}, '') AS is_asked
        FROM postback_log WHERE click_id IN {clicks:Array(String)}
    )
    GROUP BY click_id
"""


@dataclass(frozen=True, slots=True)
class OfPostback:
    """Which requests: a postback's, by the Kafka timestamp of their event (Unix ms, `to_ms` excluded)."""

    flow_id: str
    postback_id: str
    from_ms: int
    to_ms: int

    @property
    def parameters(self) -> dict[str, Any]:
        """What names them in a query."""
        times = {"from_ms": self.from_ms, "to_ms": self.to_ms}
        return {"flow": self.flow_id, "postback": self.postback_id, **times}


async def count_of(
    client: Any, asked: OfPostback, *, max_execution_s: float | None = None
) -> tuple[int, int]:
    """How many requests have a click id, and how many have none. Raises clickhouse-connect's errors."""
    result = await client.query(_COUNT, parameters=asked.parameters, settings=settings_of(max_execution_s))
    return tuple(result.result_rows[0])


async def clicks_of(
    client: Any, asked: OfPostback, count: int, *, max_execution_s: float | None = None
) -> AsyncIterator[Mapping[str, Sequence[Ours]]]:
    """The requests by click id as lists are compared, oldest first, some clicks at a time.

    `count` is how many there are. Raises clickhouse-connect's errors.
    """
    shares = max(1, -(-count // _AT_ONCE))
    for share in range(shares):
        result = await client.query(
            _CLICKS,
            parameters={**asked.parameters, "shares": shares, "share": share},
            settings=settings_of(max_execution_s),
        )
        found: dict[str, list[Ours]] = {}
        for click_id, *one in result.result_rows:
            found.setdefault(known_click(click_id), []).append(Ours(*one))
        yield found


async def why_never_made(
    client: Any, asked: OfPostback, clicks: Sequence[str], *, max_execution_s: float | None = None
) -> dict[str, str]:
    """Why no request was made of clicks, as far as the log tells. Raises clickhouse-connect's errors."""
    found = dict.fromkeys(clicks, "the log has no such click")
    for at in range(0, len(clicks), _CLICKS_AT_ONCE):
        result = await client.query(
            _WHY,
            parameters={**asked.parameters, "clicks": list(clicks[at : at + _CLICKS_AT_ONCE])},
            settings=settings_of(max_execution_s),
        )
        for click_id, reason, is_asked, is_made in result.result_rows:
            if is_made:
                found[click_id] = "its requests are outside --from and --to, or could not be rendered"
            elif is_asked:
                found[click_id] = f"skipped: {reason}"
            else:
                found[click_id] = "only other postbacks sent for this click"
    return found
