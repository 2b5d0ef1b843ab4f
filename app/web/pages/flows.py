"""The list of flows: what each does, whether it is well, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.flows.config import FlowFault, parse_record
from app.flows.flow import Flow
from app.kit.clock import day_of
from app.log.writer import ClickHouseFault
from app.messages.state import PostbackState
from app.presets.expiry import lint
from app.queries.filters import Filters
from app.queries.overview import parked_counts
from app.queries.rows import Counted
from app.queries.stats import stats
from app.topics import DAY_MS
from app.web.context import StoredFlow, Web, web_of
from app.web.names import parked_by_flow
from app.web.pages.links import LOG, NEW_FLOW, flow_link, parked_link
from app.web.query import address
from app.web.render import page

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked postback of a flow; `count` is how many requests wait, None when nobody can say."""

    postback_id: str
    state: PostbackState
    count: int | None
    link: str


@dataclass(frozen=True, slots=True)
class Row:
    """A flow in the list; `fault` is why its config cannot be read."""

    flow_id: str
    name: str
    version: int
    flow: Flow | None
    fault: str
    warnings: int
    parked: list[Waiting]
    counted: Counted | None

    @property
    def link(self) -> str:
        """Where it is edited."""
        return flow_link(self.flow_id)

    @property
    def log(self) -> str:
        """Its rows in the log."""
        return address(LOG, (("flow", self.flow_id), ("since", "24h")))


async def flows(request: web.Request) -> web.Response:
    """The list."""
    web_role = web_of(request)
    parked = parked_by_flow(web_role.states)
    counts, waiting, asked = await _asked(web_role, parked)
    rows = [
        _row(web_role, key, stored, parked.get(key, {}), counts, waiting)
        for key, stored in sorted(web_role.flows.items(), key=lambda one: (one[0] != "*", one[0]))
    ]
    return page(request, "flows.html", rows=rows, is_counted=asked, new_link=NEW_FLOW)


def waiting_of(
    flow_id: str, parked: Mapping[str, PostbackState], counts: Mapping[tuple[str, str], int] | None
) -> list[Waiting]:
    """The parked postbacks of a flow with their counts."""
    return [
        Waiting(
            name,
            state,
            None if counts is None else counts.get((flow_id, name), 0),
            parked_link(flow_id, name),
        )
        for name, state in sorted(parked.items())
    ]


async def counts_of(web_role: Web, flow_ids: list[str]) -> dict[tuple[str, str], int] | None:
    """How many requests of these flows' postbacks wait; None while ClickHouse does not say."""
    try:
        client = await web_role.clickhouse()
        return await parked_counts(client, flow_ids)
    except (ClickHouseError, ClickHouseFault):
        return None


async def _asked(
    web_role: Web, parked: Mapping[str, Any]
) -> tuple[dict[str, Counted], dict[tuple[str, str], int] | None, bool]:
    """Counts of 24 hours by flow and what waits, as far as ClickHouse answers."""
    try:
        client = await web_role.clickhouse()
        filters = Filters(since_ms=web_role.now_ms() - DAY_MS)
        counted = await stats(client, ["flow"], filters, limit=_MOST)
    except (ClickHouseError, ClickHouseFault):
        return {}, None, False
    return {one.group["flow"]: one for one in counted}, await counts_of(web_role, list(parked)), True


def _row(
    web_role: Web,
    key: str,
    stored: StoredFlow,
    parked: Mapping[str, PostbackState],
    counts: Mapping[str, Counted],
    waiting: Mapping[tuple[str, str], int] | None,
) -> Row:
    flow, fault, warnings = None, "", 0
    try:
        flow = parse_record(key, stored.config)
        warnings = len(lint(stored.config, web_role.secrets, day_of(web_role.now_ms())))
    except FlowFault as found:
        fault = str(found)
    name = flow.name if flow is not None else ""
    kept = waiting_of(key, parked, waiting)
    return Row(key, name, stored.version, flow, fault, warnings, kept, counts.get(key))
