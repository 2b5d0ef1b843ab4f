"""Lead events as hypothesis makes them, and what JOIN makes of them by a flow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from app.flows.config import parse
from app.flows.flow import Flow
from app.join.build import Effects, Source, Terms, join
from app.leads.lead import Lead
from app.messages.request import Request

AT_MS = 1_795_446_000_000
TTL_MS = 90 * 86_400_000

_ids = st.sampled_from([f"e-{number}" for number in range(9)])
told = st.fixed_dictionaries(
    {"event_id": _ids, "lead_id": st.sampled_from(["L-1", "L-2", "L-3"])},
    optional={
        "flow_id": st.sampled_from(["F-1", "F-1", "F-1", "F-2"]),
        "status": st.sampled_from(["new", "hold", "approve", "cancel"]),
        "occurred_at": st.integers(0, 59).map(lambda second: f"2026-11-23T15:00:{second:02}Z"),
        "goal": st.sampled_from(["1", "2"]),
        "price": st.sampled_from([1, 2, 12.5]),
        "click": st.fixed_dictionaries({}, optional={"id": st.sampled_from(["c 9", None]),
                                                     "geo": st.sampled_from(["UA", "PL"])}),
        "silent": st.booleans(),
    },
)  # fmt: skip
broken = st.sampled_from([b"{", b'{"lead_id": 1}'])
stories = st.lists(told | broken, max_size=25)
"""What happens to some leads, in order; a bad record here and there."""
erasing = st.fixed_dictionaries({"event_id": _ids, "lead_id": st.just("L-1"), "erase": st.just(True)})

_rules = st.fixed_dictionaries(
    {
        "on": st.lists(st.sampled_from(["new", "approve", "hold", "any", "goal:1", "price"]), min_size=1),
        "template": st.sampled_from(
            [
                "https://a.er/?c={click}&s={status}&t={now}&r={random}",
                "https://a.er/?c={click}&p={price}",
                'https://b.er/|JSON|{"s":"{status}","e":"{event}","id":"{event_id}"}',
                "https://a.er/?h={price|hmac:key}",
            ]
        ),
    },
    optional={
        "require": st.just(["click"]),
        "when": st.sampled_from([{"geo": ["UA"]}, {"price": {"min": 2}}]),
        "repeat": st.sampled_from(["on_change", "always"]),
        "enabled": st.booleans(),
    },
)  # fmt: skip


@st.composite
def flows(draw: st.DrawFn, version: int = 3, flow_id: str = "F-1") -> Flow:
    """A flow with the postbacks `fb` and `ga`, whatever they say."""
    postbacks = [{"id": name, **draw(_rules)} for name in ("fb", "ga")]
    told = {"flow_id": flow_id, "enabled": draw(st.sampled_from([True, True, True, False]))}
    return parse(json.dumps({**told, "postbacks": postbacks}).encode(), version=version)


def terms(*known: Flow, late_s: float = 5.0) -> Terms:
    """The terms by which these flows are known."""
    by_id = {flow.flow_id: flow for flow in known}
    return Terms(by_id.get, lambda _: None, lambda: "rnd", late_s, TTL_MS, "w")


def sources(story: Iterable[Mapping[str, Any] | bytes]) -> list[Source]:
    """The records of a story, a second from one to the next, all in partition 2."""
    return [
        Source("p.lead-events", 2, offset, AT_MS + offset * 1_000, None, _value(event))
        for offset, event in enumerate(story)
    ]


def _value(event: Mapping[str, Any] | bytes) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def joined(records: Iterable[Source], by: Terms) -> list[Effects]:
    """What JOIN makes of the records."""
    leads: dict[str, Lead] = {}
    made = []
    for source in records:
        effects = join(source, leads.get, by, AT_MS)
        if effects.erasure is not None:
            leads.pop(effects.erasure.lead_id, None)
        if effects.lead is not None:
            leads[effects.lead.lead_id] = effects.lead
        made.append(effects)
    return made


def requests_of(records: Iterable[Source], by: Terms) -> list[Request]:
    """The requests that JOIN makes of the records."""
    return [request for effects in joined(records, by) for request in effects.requests]


def by_lead(records: Iterable[Source]) -> dict[str, list[Source]]:
    """The records of each lead, as ClickHouse keeps them: those that name none under ``."""
    found: dict[str, list[Source]] = {}
    for source in records:
        try:
            told = json.loads(source.value or b"")
        except json.JSONDecodeError:
            told = {}
        found.setdefault(str(told.get("lead_id", "")), []).append(source)
    return found
