"""Requests rendered anew by their flow as it is now, and how that differs from what they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import ndiff
from typing import Any, NamedTuple

import msgspec

from app.flows.flow import Flow
from app.join.again import CannotRender, Wanted, render_again, wanted
from app.join.build import Source
from app.join.terms import terms_of
from app.kit.clock import now_ms
from app.kit.secrets import Secrets
from app.messages.request import Request
from app.outbound.kept import Kept
from app.outbound.mask import shown
from app.queries.leads import events_of_leads
from app.queries.story import StoredEvent
from app.settings import Settings

_MOST_DIFFERENCES = 3
_RENDERED = ("method", "host", "link", "headers", "body", "origin", "delivery")
"""What a rendering decides; all else of a request is what was done with it so far."""


class Fault(NamedTuple):
    """A request that cannot be rendered anew, and why."""

    request_id: str
    lead_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ToRender:
    """A request to render: what names it, its partition, and what was rendered before, if that is there."""

    request_id: str
    wanted: Wanted
    partition: int
    old: Request | None


class Rerender:
    """Renders requests anew. `faults` names those that it cannot, `differences` are the first few.

    What was rendered by the flow's newest version is sent as it is. `client` asks ClickHouse for the leads'
    events, which may take `max_execution_s` each time.
    """

    def __init__(
        self,
        settings: Settings,
        flows: Mapping[str, Flow],
        secret: Secrets,
        client: Any,
        *,
        max_execution_s: float,
    ) -> None:
        self._settings = settings
        self._flows = flows
        self._client = client
        self._max_execution_s = max_execution_s
        self._terms = terms_of(settings, flows.get, secret)
        self.faults: list[Fault] = []
        self.differences: list[list[str]] = []
        self.differing = 0

    async def __call__(self, kept: Sequence[Kept]) -> list[Request | None]:
        """The requests anew, None for one that cannot be rendered. Raises clickhouse-connect's errors."""
        requests = [one.request for one in kept]
        pairs = zip(kept, requests, strict=True)
        return await self.render([ToRender(r.request_id, wanted(r), one.partition, r) for one, r in pairs])

    async def render(self, asked: Sequence[ToRender]) -> list[Request | None]:
        """Likewise, also for those that were never rendered."""
        leads = {one.wanted.lead_id for one in asked}
        events = await events_of_leads(self._client, leads, max_execution_s=self._max_execution_s)
        found: list[Request | None] = []
        for one in asked:
            lead_id = one.wanted.lead_id
            of_lead = (
                source_of(self._settings, event)
                for event in events[lead_id]
                if event.partition == one.partition
            )
            try:
                found.append(self._anew(one, of_lead))
            except CannotRender as fault:
                self.faults.append(Fault(one.request_id, lead_id, str(fault)))
                found.append(None)
        return found

    def _anew(self, asked: ToRender, events: Iterator[Source]) -> Request:
        old = asked.old
        flow = self._flows.get(asked.wanted.flow_id)
        if old is not None and flow is not None and flow.version == old.origin.flow_version:
            return old
        new = render_again(asked.wanted, events, self._terms, now_ms())
        if old is None:
            return new
        made = msgspec.structs.replace(old, **{name: getattr(new, name) for name in _RENDERED})
        self._compare(old, made)
        return made

    def _compare(self, old: Request, new: Request) -> None:
        before, after = lines_of(old), lines_of(new)
        if before == after:
            return
        self.differing += 1
        if len(self.differences) < _MOST_DIFFERENCES:
            told = [line.rstrip("\n") for line in ndiff(before, after) if line[:1] in "+-"]
            self.differences.append([f"request {old.request_id}, lead {old.origin.lead_id}", *told])


def source_of(settings: Settings, event: StoredEvent) -> Source:
    """A stored lead event as JOIN read it."""
    topic, at_ms = settings.topics.lead_events.name, round(event.recorded_at.timestamp() * 1000)
    return Source(topic, event.partition, event.offset, at_ms, None, event.value)


def lines_of(request: Request) -> list[str]:
    """A request as people may see it: method and link, headers, body."""
    seen = shown(request)
    headers = [f"{name}: {value}" for name, value in seen.headers.items()]
    return [f"{request.method} {seen.url}", *headers, *([seen.body] if seen.body else [])]
