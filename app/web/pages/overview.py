"""The overview: what happens, how fast, and what needs a person now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from app.outbound.parking import parked_in
from app.queries.filters import Filters
from app.queries.overview import dark_hosts, is_empty, minutes, parked_counts
from app.queries.rows import Counted
from app.queries.stats import stats
from app.web.context import Web, web_of
from app.web.lag import Lags
from app.web.numbers import day, ms, time_of_day
from app.web.pages.links import LOG
from app.web.problem import Problem
from app.web.query import address
from app.web.render import page
from app.web.texts import say

LAGS: web.AppKey[Lags] = web.AppKey("lags", Lags)
_DARK_MS = 10 * 60_000
_MOST_HOSTS = 8
_SHOWN = ("delivered", "retrying", "failed", "skipped")
_TILES = (*_SHOWN, "parked", "rejected", "blocked")


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time to look at, and the steps of its chart."""

    name: str
    length_ms: int
    step_s: int


_SPANS = {
    span.name: span
    for span in (
        Span("1h", 3_600_000, 60),
        Span("24h", 86_400_000, 3_600),
        Span("7d", 7 * 86_400_000, 3_600),
        Span("30d", 30 * 86_400_000, 86_400),
    )
}
_FORMATS = {3_600: "%Y-%m-%dT%H:%M:%SZ", 86_400: "%Y-%m-%d"}


async def overview(request: web.Request) -> web.Response:
    """The overview of a span of time; of the last hour unless the address says otherwise."""
    web_role = web_of(request)
    client, now_ms = await web_role.clickhouse(), web_role.now_ms()
    if await is_empty(client):
        return page(request, "begin.html", lag=await request.app[LAGS](), log_link=LOG)
    span = _SPANS.get(request.query.get("span", "24h"))
    if span is None:
        raise Problem(404, say("overview.no_span", spans=", ".join(_SPANS)))
    since = Filters(since_ms=now_ms - span.length_ms)
    counts = (stats(client, by, since) for by in ([], ["host"], ["flow"]))
    (total, hosts, flows), chart, dark, parked, lag = await asyncio.gather(
        asyncio.gather(*counts),
        _chart(client, span, now_ms),
        _dark(client, now_ms),
        _parked(client, web_role),
        request.app[LAGS](),
    )
    return page(
        request,
        "overview.html",
        spans=[(say(f"overview.span.{name}"), address("/", span=name), name == span.name) for name in _SPANS],
        chart=chart,
        columns=_SHOWN,
        tiles=[(name, _sum(total, name), _log(span, outcome=name)) for name in _TILES],
        latency=total[0] if total else None,
        hosts=[(host.group["host"], host, _log(span, host=host.group["host"])) for host in _worst(hosts)],
        lag=lag,
        needs=[
            *dark,
            *parked,
            *_only_failures(flows, span),
            *_rejected(_sum(total, "rejected"), span),
        ],
    )


def _sum(counted: Sequence[Counted], name: str) -> int:
    return sum(getattr(one, name) for one in counted)


def _log(span: Span, **asked: str) -> str:
    return address(LOG, (), **asked, since=span.name)


async def _chart(client: Any, span: Span, now_ms: int) -> dict[str, Any]:
    """The counts of each step, from the first to this one; a step in which nothing happened is zeros."""
    found = await _steps(client, span, now_ms)
    last_s = now_ms // 1000 // span.step_s * span.step_s
    times = list(range(last_s - span.length_ms // 1000 + span.step_s, last_s + 1, span.step_s))
    nothing = (0,) * len(_SHOWN)
    rows = [found.get(at, nothing) for at in times]
    labels = [datetime.fromtimestamp(at, UTC) for at in times]
    return {
        "data": [times, *([row[at] for row in rows] for at in range(len(_SHOWN)))],
        "names": [say(f"outcome.{name}") for name in _SHOWN],
        "outcomes": list(_SHOWN),
        "rows": [
            (f"{day(at)} {time_of_day(at)[:5]}", row)
            for at, row in zip(labels, rows, strict=True)
            if any(row)
        ],
    }


async def _steps(client: Any, span: Span, now_ms: int) -> dict[int, tuple[int, ...]]:
    since_ms = now_ms - span.length_ms
    if span.step_s == 60:
        found = await minutes(client, since_ms)
        return {
            int(one.at.timestamp()): (one.delivered, one.retrying, one.failed, one.skipped) for one in found
        }
    by = "day" if span.step_s == 86_400 else "hour"
    counted = await stats(client, [by], Filters(since_ms=since_ms))
    return {
        _unix_s(one.group[by], _FORMATS[span.step_s]): tuple(getattr(one, name) for name in _SHOWN)
        for one in counted
    }


def _unix_s(text: str, written: str) -> int:
    return int(datetime.strptime(text, written).replace(tzinfo=UTC).timestamp())


def _worst(hosts: Sequence[Counted]) -> list[Counted]:
    """Those with the most sends that were not delivered, then those that take long."""
    sent = [host for host in hosts if host.sends and host.group["host"]]
    return sorted(sent, key=lambda host: (host.delivered - host.sends, -(host.duration_p95_ms or 0)))[
        :_MOST_HOSTS
    ]


async def _dark(client: Any, now_ms: int) -> list[dict[str, str]]:
    found = await dark_hosts(client, now_ms - _DARK_MS)
    return [
        {
            "tone": "failed",
            "text": say("overview.need.host", host=one.host, failed=one.failing),
            "link": address(LOG, (("host", one.host),), since="15m"),
        }
        for one in found
    ]


async def _parked(client: Any, web_role: Web) -> list[dict[str, str]]:
    parked = parked_in(web_role.states)
    counts = await parked_counts(client, {flow for flow, _ in parked})
    found = []
    for (flow, postback), state in sorted(parked.items(), key=lambda item: item[1].since):
        since = datetime.fromtimestamp(state.since / 1000, UTC)
        told = say(
            "overview.need.parked",
            flow=flow,
            postback=postback,
            since=f"{day(since)} {time_of_day(since)[:8]}",
            ago=ms(web_role.now_ms() - state.since),
            why=state.why or say("overview.need.by", by=state.by),
            count=counts.get((flow, postback), 0),
        )
        link = address(LOG, (("flow", flow), ("postback", postback)), outcome="parked")
        found.append({"tone": "parked", "text": told, "link": link})
    return found


def _only_failures(flows: Sequence[Counted], span: Span) -> list[dict[str, str]]:
    return [
        {
            "tone": "failed",
            "text": say("overview.need.flow", flow=one.group["flow"], failed=one.failed),
            "link": _log(span, flow=one.group["flow"], outcome="failed"),
        }
        for one in flows
        if one.failed and not one.delivered and one.group["flow"]
    ]


def _rejected(count: int, span: Span) -> list[dict[str, str]]:
    told = say("overview.need.rejected", count=count)
    return [{"tone": "rejected", "text": told, "link": _log(span, outcome="rejected")}] if count else []
