"""Filters as a query's parameters, for the API and the pages: the same names as the command line's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from app.messages.record import Outcome
from app.queries.filters import TAGS, FilterFault, Filters, codes_of, moment_ms
from app.web.problem import Problem, Wrong
from app.web.who import Asker

Moment = Annotated[str, Meta(description="2h or 7d (ago), or ISO 8601 such as 2026-11-24T15:00:00Z")]
Code = Annotated[
    str, Meta(description="HTTP status of the answer: 404 or 5xx", pattern="^[1-9]([0-9]{2}|xx)$")
]
_Got = TypeVar("_Got")


class TimesAndTags(Struct, kw_only=True):
    """What the statistics can be asked for, too."""

    flow: Annotated[str | None, Meta(description="The flow that holds the postback; * the global ones")] = (
        None
    )
    postback: str | None = None
    host: Annotated[str | None, Meta(description="The receiver's host")] = None
    utm_source: str | None = None
    utm_campaign: str | None = None
    utm_content: str | None = None
    utm_term: str | None = None
    utm_medium: str | None = None
    subid: str | None = None
    since: Moment | None = None
    until: Annotated[Moment | None, Meta(description="Likewise; not included")] = None


class Asked(TimesAndTags, kw_only=True):
    """What the log can be asked for: all must hold."""

    lead_flow: Annotated[str | None, Meta(description="The lead's own flow: also what * sent for it")] = None
    lead: str | None = None
    click: str | None = None
    event: Annotated[str | None, Meta(description="What was reacted to: approve, goal:1")] = None
    outcome: tuple[Outcome, ...] = ()
    code: Code | None = None
    text: Annotated[str | None, Meta(description="In link, bodies, error or reason; for editors")] = None


def filters_of(asked: TimesAndTags, asker: Asker, now_ms: int) -> Filters:
    """The filters that were asked for.

    Raises `Problem`: 422 for one that cannot be read, 403 for a viewer's free text, which would find phone
    numbers letter by letter though they are masked.
    """
    log = asked if isinstance(asked, Asked) else Asked()
    if log.text and not asker.may("editor"):
        raise Problem(403, "free text also looks into phone numbers and e-mails: it needs POSTBACKS_TOKEN")
    return Filters(
        flow=asked.flow,
        lead_flow=log.lead_flow,
        postback=asked.postback,
        lead=log.lead,
        click=log.click,
        host=asked.host,
        event=log.event,
        outcomes=log.outcome,
        codes=_read("code", log.code, codes_of),
        tags={name: value for name in TAGS if (value := getattr(asked, name))},
        text=log.text,
        since_ms=_read("since", asked.since, lambda text: moment_ms(text, now_ms)),
        until_ms=_read("until", asked.until, lambda text: moment_ms(text, now_ms)),
    )


def _read(name: str, text: str | None, read: Callable[[str], _Got]) -> _Got | None:
    try:
        return None if text is None else read(text)
    except FilterFault as fault:
        raise Problem(422, str(fault), [Wrong(name, str(fault))]) from None
