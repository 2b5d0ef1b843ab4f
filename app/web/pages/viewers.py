"""What of a page whoever asks may see: a viewer no phone number and no e-mail address."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from app.queries.story import StoredEvent
from app.web.api.postbacks import seen_by
from app.web.context import asker_in, web_of
from app.web.personal import Personal, Row


async def as_seen(request: web.Request, rows: Sequence[Row]) -> list[Row]:
    """Rows of the log, of any leads."""
    return await seen_by(asker_in(request), web_of(request), rows)


def hiding(request: web.Request, lead_id: str, events: Sequence[StoredEvent]) -> Personal | None:
    """What hides the person of one lead; None for an editor, who sees all."""
    return None if asker_in(request).may("editor") else Personal({lead_id: events})
