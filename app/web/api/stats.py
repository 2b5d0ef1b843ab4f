"""`GET /api/stats`: counts, outcomes and latency, by whatever is grouped."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.queries.filters import FilterFault
from app.queries.rows import Counted
from app.queries.stats import stats
from app.web.api.call import Answer, Call, refused
from app.web.asked import TimesAndTags, filters_of

Group = Literal[
    "hour", "day", "flow", "postback", "host",
    "utm_source", "utm_campaign", "utm_content", "utm_term", "utm_medium", "subid",
]  # fmt: skip


class StatsAsked(TimesAndTags, kw_only=True):
    """What is counted, and by what."""

    by: tuple[Group, ...] = ()
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class Stats(Struct):
    """One row for each group, the newest or the largest first."""

    data: list[Counted]


async def show_stats(call: Call[StatsAsked, None]) -> Answer[Stats]:
    """Count rows, sends and outcomes, and measure latency, in whole hours. They lag some 15 s behind."""
    asked = call.query
    filters = filters_of(asked, call.asker, call.web.now_ms())
    try:
        counted = await stats(await call.web.clickhouse(), asked.by, filters, limit=asked.limit)
    except FilterFault as fault:
        raise refused("", str(fault)) from None
    return Answer(Stats(counted))
