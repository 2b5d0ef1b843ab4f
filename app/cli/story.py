"""How a lead's story is printed: the lead, then its events and its rows of the log in one timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from app.cli.printing import console, moment, number, visible
from app.cli.tables import colour_of
from app.leads.events import Scalar
from app.queries.rows import Listed
from app.queries.story import Changed, Story, ToldEvent, fields_of
from app.queries.timeline import current, timeline


def print_story(lead_id: str, story: Story, rows: Sequence[Listed]) -> None:
    """The lead, then its timeline."""
    out = console()
    for line in (*_head(lead_id, story, rows), *_timeline(story, rows)):
        out.print(line, soft_wrap=True)


def _head(lead_id: str, story: Story, rows: Sequence[Listed]) -> Iterator[str]:
    lead = current(story)
    requests = {row.request_id for row in rows if row.attempt}
    counts = f"{len(story.events)} events, {len(requests)} requests, {len(rows)} rows"
    if lead is None:
        yield f"[bold]lead {visible(lead_id)}[/bold]  {counts}"
        yield "its stored events make no lead: each was rejected, or those that began it are past retention"
    else:
        since = moment(datetime.fromtimestamp(lead.status_at / 1000, UTC))
        yield f"[bold]lead {visible(lead_id)}[/bold]  {visible(lead.status)} since {since}  {counts}"
        for name, value in fields_of(lead).items():
            yield f"  {visible(name)} {_value(value)}"
    if len(story.leads) > 1:
        where = ", ".join(map(str, sorted(story.leads)))
        yield f"[yellow]its events lie in partitions {where}: a producer does not hash by murmur2[/yellow]"


def _timeline(story: Story, rows: Sequence[Listed]) -> Iterator[str]:
    for entry in timeline(story, rows):
        yield ""
        yield from _of_event(entry) if isinstance(entry, ToldEvent) else _of_row(entry)


def _of_event(event: ToldEvent) -> Iterator[str]:
    marks = [event.status or "", f"goal {event.goal}" if event.goal else ""]
    marks += [name for name in ("late", "silent") if getattr(event, name)]
    marks += ["" if event.result == "folded" else event.result]
    told = "  ".join(visible(mark) for mark in marks if mark)
    yield f"{moment(event.recorded_at)}  [bold]event {visible(event.event_id)}[/bold]  {told}"
    if event.reason:
        yield f"  {visible(event.reason)}"
    elif not event.changed:
        yield "  changed nothing"
    for changed in event.changed:
        yield f"  {_change(changed)}"


def _change(changed: Changed) -> str:
    name = visible(changed.field)
    if changed.before is None:
        return f"{name} {_value(changed.after)}"
    return f"{name} {_value(changed.before)} → {_value(changed.after)}"


def _value(value: Scalar) -> str:
    return "nothing" if value is None else visible(value if isinstance(value, str) else repr(value))


def _of_row(row: Listed) -> Iterator[str]:
    colour = colour_of(row.outcome)
    outcome = f"[{colour}]{row.outcome}[/{colour}]" if colour else row.outcome
    what = " on ".join(visible(part) for part in (row.postback_id, row.event) if part)
    tried = f", attempt {row.attempt}" if row.attempt else ""
    replayed = f", replay {row.replay}" if row.replay else ""
    backfilled = ", backfilled" if row.backfilled else ""
    yield f"{moment(max(row.logged_at, row.requested_at))}  {outcome}  {what}{tried}{replayed}{backfilled}"
    if row.url:
        answer = "" if row.response_status is None else f" → {row.response_status}"
        took = f" in {number(row.duration_ms)} ms" if row.attempt else ""
        yield f"  {row.method} {visible(row.url)}{answer}{took}"
    if text := row.error or row.reason:
        yield f"  {visible(text)}"
    if row.next_attempt_at:
        yield f"  next attempt {moment(row.next_attempt_at)}"
    if row.request_id:
        yield f"  request {visible(row.request_id)}"
