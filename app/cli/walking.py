"""What the commands that go through stored events share: the flows of now, the leads, how far it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.clickhouse import MAX_EXECUTION_S
from app.cli.flows import read_flows
from app.cli.rerender import parsed
from app.flows.flow import Flow
from app.join.build import Source
from app.queries.stored import Share, Span, leads_in, shares_of
from app.settings import Settings

_STEP = 256  # what a bar is moved by


async def flows_now(settings: Settings) -> dict[str, Flow]:
    """The flows that Kafka has; broken ones are named and left out. Raises `KafkaError`."""
    configs = await read_flows(settings)
    return {key: flow for key, kept in configs.items() if (flow := parsed(key, *kept)) is not None}


@dataclass(frozen=True, slots=True)
class Walk:
    """The way through a span's leads."""

    client: Any
    settings: Settings
    span: Span
    shares: Sequence[Share]

    @property
    def events(self) -> int:
        """How many events are read, those before the span included."""
        return sum(share.events for share in self.shares if share.number == 0)

    async def leads(self, move: Callable[[int], None]) -> AsyncIterator[tuple[Share, list[list[Source]]]]:
        """The leads of one share after the other, each with its events; `move` is told how many were done."""
        topic = self.settings.topics.lead_events.name
        done = 0
        for share in self.shares:
            leads = await leads_in(self.client, self.span, share, topic, max_execution_s=MAX_EXECUTION_S)
            yield share, leads
            done += sum(map(len, leads))
            move(self.events if share is self.shares[-1] else done - done % _STEP)


async def walk_of(client: Any, settings: Settings, span: Span) -> Walk:
    """The way through a span. Raises clickhouse-connect's errors."""
    return Walk(client, settings, span, await shares_of(client, span, max_execution_s=MAX_EXECUTION_S))
