"""A lead of ClickHouse as what a flow is tried on, and what is doubtful about a flow filled in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.cli.ending import fail, settings_told
from app.flows.config import parse
from app.flows.lint import Warning, template_places
from app.flows.lint_lead import lint_for_lead

if TYPE_CHECKING:
    from app.web.flows.sample import Sample


def read_sample(lead_id: str) -> Sample:
    """The lead as its events in ClickHouse make it; one that is not there ends the command."""
    from app.cli.clickhouse import MAX_EXECUTION_S, ask
    from app.queries.leads import events_of_lead
    from app.queries.story import tell
    from app.web.flows.sample import sample_of

    async def find(client: Any) -> Any:
        return await events_of_lead(client, lead_id, max_execution_s=MAX_EXECUTION_S)

    settings = settings_told()
    sample = sample_of(tell(ask(find), late_s=settings.late_s, ttl_ms=settings.lead_ttl_ms))
    if sample is None:
        fail(f"there is no lead {lead_id!r} in ClickHouse; postbacks logs list names some")
    return sample


def warnings_for(
    config: bytes, sample: Sample, secret: Callable[[str], str | None], now_ms: int
) -> list[Warning]:
    """The warnings about a valid config filled in for a lead."""
    from app.web.flows.sample import facts_for

    flow = parse(config)
    return [
        Warning(place, text)
        for postback, place in template_places(flow, config)
        for text in lint_for_lead(postback, facts_for(sample, postback, flow, secret, now_ms)[1])
    ]
