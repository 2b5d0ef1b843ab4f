"""`GET /api/leads/{lead_id}`: a lead as it is now, and all that happened to it."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct, structs

from app.leads.events import Scalar
from app.leads.lead import Lead
from app.queries.leads import events_of_lead
from app.queries.log import rows_of_lead
from app.queries.rows import Listed
from app.queries.story import Story, ToldEvent, tell
from app.queries.timeline import current
from app.web.api.call import Answer, Call
from app.web.personal import Personal
from app.web.problem import Problem


class LeadNow(Struct):
    """A lead as it is now: the fold of its events."""

    lead_id: str
    flow_id: str
    status: str
    status_at: datetime
    touched_at: datetime
    seq: int
    goal: str | None
    price: int | float | None
    currency: str | None
    reason: str | None
    uid: str | None
    click: dict[str, str | None]
    tags: dict[str, Scalar]
    customer: dict[str, str | None]
    meta: dict[str, Scalar]


class LeadStory(Struct):
    """A lead (null when its events make none), its events with what each changed, and its rows of the log."""

    lead_id: str
    lead: LeadNow | None
    events: list[ToldEvent]
    rows: list[Listed]


async def show_lead(call: Call[None, None]) -> Answer[LeadStory]:
    """Show a lead: events, requests, attempts, skips. Viewers see no phone number and e-mail address."""
    lead_id, client = call.name("lead_id"), await call.web.clickhouse()
    events, rows = await events_of_lead(client, lead_id), await rows_of_lead(client, lead_id)
    if not events and not rows:
        raise Problem(404, f"there is no lead {lead_id!r} in ClickHouse")
    settings = call.web.settings
    story = tell(events, late_s=settings.late_s, ttl_ms=settings.lead_ttl_ms)
    if not call.asker.may("editor"):
        personal = Personal({lead_id: events})
        story, rows = personal.story(story), [personal.row(row) for row in rows]
    return Answer(LeadStory(lead_id, _now(story), story.events, rows))


def _now(story: Story) -> LeadNow | None:
    lead = current(story)
    if lead is None:
        return None
    told = {name: getattr(lead, name) for name in LeadNow.__struct_fields__}
    times = {name: _moment(told[name]) for name in ("status_at", "touched_at")}
    return LeadNow(**{**told, **times, **_parts(lead)})


def _parts(lead: Lead) -> dict[str, dict[str, str | None]]:
    return {"click": structs.asdict(lead.click), "customer": structs.asdict(lead.customer)}


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
