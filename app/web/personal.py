"""What viewers do not see: leads' phone numbers and e-mail addresses, wherever a row shows them. Pure.

They are those that the lead's own events told, and what looks like one (`app.web.private`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from msgspec import structs

from app.kit.hiding import MASK
from app.leads.events import LeadEvent, decode
from app.leads.lead import Lead
from app.queries.filters import TAGS
from app.queries.rows import Listed, Shown
from app.queries.story import StoredEvent, Story, ToldEvent
from app.web.private import Private

_PRIVATE = ("customer.phone", "customer.email")
_TEXTS = {
    *("url", "request_headers", "request_body", "response_headers", "response_body", "error", "reason"),
    *TAGS,
}
Row = TypeVar("Row", Listed, Shown)


class Personal:
    """Hides what the events of leads, by lead id, told of their persons."""

    def __init__(self, events: Mapping[str, Iterable[StoredEvent]]) -> None:
        values = {
            lead_id: frozenset(value for event in told for value in _values(event))
            for lead_id, told in events.items()
        }
        self._known = {lead_id for lead_id, told in events.items() if told}
        self._private = Private(frozenset().union(*values.values()))

    def row(self, row: Row) -> Row:
        """A row of the log as viewers see it; of a lead without events only what it went to."""
        hidden = self._hidden if row.lead_id in self._known or not row.lead_id else _all_hidden
        texts = [one.name for one in fields(row) if one.name in _TEXTS]
        return replace(row, **{name: hidden(getattr(row, name)) for name in texts})

    def text(self, text: str) -> str:
        """Any text about these leads as viewers see it."""
        return self._private.text(text)

    def story(self, story: Story) -> Story:
        """A lead's story as viewers see it."""
        leads = {partition: self._lead(lead) for partition, lead in story.leads.items()}
        return Story(leads, [self._event(event) for event in story.events])

    def _lead(self, lead: Lead) -> Lead:
        told = {name: MASK for name in ("phone", "email") if getattr(lead.customer, name) is not None}
        comment = None if lead.customer.comment is None else self._hidden(lead.customer.comment)
        return structs.replace(lead, customer=structs.replace(lead.customer, **told, comment=comment))

    def _event(self, event: ToldEvent) -> ToldEvent:
        seen = []
        for one in event.changed:
            before, after = (
                MASK if value is not None and one.field in _PRIVATE else self._hidden(value)
                for value in (one.before, one.after)
            )
            seen.append(replace(one, before=before, after=after))
        return replace(event, changed=tuple(seen), reason=self._hidden(event.reason))

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.text(text) for name, text in value.items()}
        return value


def _values(stored: StoredEvent) -> Iterator[str]:
    event = decode(stored.value)
    if not isinstance(event, LeadEvent) or not event.customer:
        return
    for value in (event.customer.phone, event.customer.email):
        if isinstance(value, str):
            yield value


def _all_hidden(value: Any) -> Any:
    if isinstance(value, str):
        link, mark, _ = value.partition("?")
        return MASK if value and not (mark and link.startswith("http")) else link + mark + MASK * bool(mark)
    return dict.fromkeys(value, MASK)
