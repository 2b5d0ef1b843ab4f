"""The overview: what happens, how fast, and what needs a person now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from app.outbound.parking import parked_in
from app.queries.overview import Step, dark_hosts, hosts, is_empty, minutes, parked_counts, steps
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
_HOUR_S = 3_600
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
        Span("24h", 86_400_000, _HOUR_S),
        Span("7d", 7 * 86_400_000, _HOUR_S),
        Span("30d", 30 * 86_400_000, 86_400),
    )
}


async def overview(request: web.Request) -> web.Response:
    """The overview of a span of time; of the last day unless the address says otherwise."""
    web_role = web_of(request)
    client, now_ms = await web_role.clickhouse(), web_role.now_ms()
    span = _SPANS.get(request.query.get("span", "24h"))
    if span is None:
        raise Problem(404, say("overview.no_span", spans=", ".join(_SPANS)))
    since_ms = now_ms - span.length_ms
    (nothing, all_of, counts, by_minute), dark, parked, lag = await asyncio.gather(
        asyncio.gather(
            is_empty(client),
            hosts(client, since_ms),
            steps(client, since_ms, max(span.step_s, _HOUR_S)),
            _minutes(client, span, since_ms),
        ),
        _dark(client, now_ms),
        _parked(client, web_role),
        request.app[LAGS](),
    )
    if nothing:
        return page(request, "begin.html", lag=lag, log_link=LOG)
    return page(
        request,
        "overview.html",
        spans=[(say(f"overview.span.{name}"), address("/", span=name), name == span.name) for name in _SPANS],
        chart=_chart(by_minute or counts.steps, span, now_ms),
        columns=_SHOWN,
        tiles=[(name, getattr(all_of.total, name, 0), _log(span, outcome=name)) for name in _TILES],
        latency=all_of.total,
        hosts=[(one.group["host"], one, _log(span, host=one.group["host"])) for one in all_of.worst],
        lag=lag,
        needs=[
            *dark,
            *parked,
            *_only_failures(counts.only_failures, span),
            *_rejected(getattr(all_of.total, "rejected", 0), span),
        ],
    )


def _log(span: Span, **asked: str) -> str:
    return address(LOG, (), **asked, since=span.name)


async def _minutes(client: Any, span: Span, since_ms: int) -> list[Step]:
    """The steps of a span whose steps are shorter than the hours of the statistics."""
    return await minutes(client, since_ms) if span.step_s < _HOUR_S else []


def _chart(found: Sequence[Step], span: Span, now_ms: int) -> dict[str, Any]:
    """The counts of each step, from the first to this one; a step in which nothing happened is zeros."""
    last_s = now_ms // 1000 // span.step_s * span.step_s
    times = list(range(last_s - span.length_ms // 1000 + span.step_s, last_s + 1, span.step_s))
    counts = {one.at_s: one[1:] for one in found}
    rows = [counts.get(at, (0,) * len(_SHOWN)) for at in times]
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


def _only_failures(flows: Mapping[str, int], span: Span) -> list[dict[str, str]]:
    return [
        {
            "tone": "failed",
            "text": say("overview.need.flow", flow=flow, failed=failed),
            "link": _log(span, flow=flow, outcome="failed"),
        }
        for flow, failed in flows.items()
    ]


def _rejected(count: int, span: Span) -> list[dict[str, str]]:
    told = say("overview.need.rejected", count=count)
    return [{"tone": "rejected", "text": told, "link": _log(span, outcome="rejected")}] if count else []
