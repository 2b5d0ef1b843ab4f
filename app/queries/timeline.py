"""A lead's whole story: the lead as it is, and its events and rows of the log in one timeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from app.leads.lead import Lead
from app.queries.rows import Listed
from app.queries.story import Story, ToldEvent

Entry = ToldEvent | Listed


def story_as_json(lead_id: str, story: Story, rows: Sequence[Listed]) -> dict[str, Any]:
    """One object: the lead (null when its events make none) and the timeline, oldest first."""
    lead = current(story)
    return {
        "lead_id": lead_id,
        "lead": None if lead is None else _lead(lead),
        "timeline": [
            {"kind": "event" if isinstance(entry, ToldEvent) else "row", **asdict(entry)}
            for entry in timeline(story, rows)
        ],
    }


def _lead(lead: Lead) -> dict[str, Any]:
    told = structs.asdict(lead)
    for name in ("seen", "sent"):
        del told[name]
    for name in ("status_at", "touched_at"):
        told[name] = datetime.fromtimestamp(told[name] / 1000, UTC)
    return {**told, "click": structs.asdict(lead.click), "customer": structs.asdict(lead.customer)}


def current(story: Story) -> Lead | None:
    """The lead as it is now; where several partitions hold one, that which was touched last."""
    return max(story.leads.values(), key=lambda lead: lead.touched_at, default=None)


def timeline(story: Story, rows: Sequence[Listed]) -> list[Entry]:
    """Events by their Kafka timestamps and rows by when they were made, which is never before their event."""
    entries: list[tuple[datetime, int, Entry]] = [(event.recorded_at, 0, event) for event in story.events]
    entries += [(max(row.logged_at, row.requested_at), 1, row) for row in rows]
    return [entry for *_, entry in sorted(entries, key=lambda placed: placed[:2])]
