"""What a flow would have sent of stored events, and how that differs from what was sent. Pure.

The events go through JOIN's own core by the flow in question, from each lead's first, so for `repeat` it is
as if the flow had always been there. A request that was sent then is rendered anew by the version of its
flow that it was rendered by, at the same moment as the one of now: what differs is what the flows make
differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import ndiff
from typing import Literal

from msgspec import structs

from app.flows.decide import Fire, request_id
from app.flows.flow import Flow, Postback
from app.join.build import Source, Terms, join, render_request
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, fold
from app.leads.lead import Lead
from app.messages.record import LogRecord
from app.messages.request import Request
from app.queries.made import Made
from app.queries.rerender import lines_of
from app.queries.stored import Span
from app.templates.fault import TemplateFault

MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A request of now or then that the other has not, or has otherwise; `lines` say how, masked."""

    kind: Literal["only now", "only then", "changed"]
    request_id: str
    postback_id: str
    event: str
    lead_id: str
    event_id: str
    lines: tuple[str, ...]


@dataclass
class Outcome:
    """What came of it. `now` counts by postback ("" is the event as a whole) and by what became of each.

    `unknown` are requests of both that cannot be compared; `first` are the first few that differ.
    """

    now: dict[str, Counter[str]] = field(default_factory=dict)
    events: int = 0
    same: int = 0
    only_now: int = 0
    only_then: int = 0
    changed: int = 0
    unknown: int = 0
    first: list[Difference] = field(default_factory=list)


class Simulation:
    """Takes leads, some at a time, with what was made of them, and keeps the outcome."""

    def __init__(self, flow: Flow, span: Span, terms: Terms, now_ms: int) -> None:
        """`terms` are those of the installation; `flow` takes the place of the one with its id."""
        others = terms.flow_of
        self._flow = flow
        self._span = span
        self._terms = structs.replace(
            terms,
            flow_of=lambda key: flow if key == flow.flow_id else others(key),
            random=lambda: "random",  # the same then and now
        )
        self._now_ms = now_ms
        self.outcome = Outcome()

    def take(
        self,
        leads: Iterable[Iterable[Source]],
        made: Mapping[str, Made],
        then: Callable[[int], Flow | None],
        folded_to: int,
    ) -> None:
        """Go through leads, each with its events from the first; `made` are their requests.

        `then` gives the flow of a version, `folded_to` is the first offset that JOIN may still come to.
        """
        share = _Share(made, then)
        for events in leads:
            lead: Lead | None = None
            for source in events:
                if source.offset >= folded_to:
                    break
                lead = self._step(share, lead, source)
        self._missing(share)

    def _step(self, share: _Share, before: Lead | None, source: Source) -> Lead | None:
        effects = join(source, lambda _: before, self._terms, self._now_ms)
        if source.timestamp_ms in self._span:
            self.outcome.events += 1
            share.times.add(source.timestamp_ms)
            for record in effects.records:
                if record.flow_id == self._flow.flow_id:
                    self._note(share, record)
            for request in effects.requests:
                if request.origin.flow_id == self._flow.flow_id:
                    self._sent(share, before, source, request)
        return None if effects.erasure is not None else effects.lead or before

    def _note(self, share: _Share, record: LogRecord) -> None:
        """A row of what would not have been sent."""
        self._count(record.postback_id, f"{record.outcome}: {record.reason.partition(':')[0]}")
        identity = request_id(record.lead_id, record.event_id, record.flow_id, record.postback_id)
        if identity in share.made:
            share.why[identity] = record.reason

    def _sent(self, share: _Share, before: Lead | None, source: Source, request: Request) -> None:
        self._count(request.origin.postback_id, "sends")
        made = share.made.get(request.request_id)
        if made is None:
            self.outcome.only_now += 1
            self._show("only now", request, tuple(lines_of(request)))
            return
        share.met.add(request.request_id)
        old = self._then(share, made, before, source, request)
        if old is None:
            self.outcome.unknown += 1
        elif _wire(old) == _wire(request):
            self.outcome.same += 1
        else:
            self.outcome.changed += 1
            self._show("changed", request, _changes(old, request))

    def _then(
        self, share: _Share, made: Made, before: Lead | None, source: Source, request: Request
    ) -> Request | None:
        """The request as its flow of then makes it now; None when that cannot be had."""
        flow = share.then(made.flow_version)
        postback = _postback(flow, made.postback_id)
        if flow is None or postback is None:
            return None
        now = _postback(self._flow, made.postback_id)
        if now is not None and _renders_alike(flow, postback, self._flow, now, made, request):
            return request
        change = self._change(before, source)
        if change is None:
            return None
        try:
            return render_request(source, change, Fire(flow, postback, made.event), self._terms, self._now_ms)
        except TemplateFault:
            return None

    def _change(self, before: Lead | None, source: Source) -> Change | None:
        event = decode(source.value)
        if not isinstance(event, LeadEvent):
            return None
        late_s, ttl_ms = self._terms.late_s, self._terms.ttl_ms
        folded = fold(before, event, timestamp_ms=source.timestamp_ms, late_s=late_s, ttl_ms=ttl_ms)
        return folded if isinstance(folded, Change) else None

    def _missing(self, share: _Share) -> None:
        """What was made of these leads in the span and would not be now."""
        for one in share.made.values():
            if one.request_id in share.met or one.requested_ms not in self._span or not one.lead_id:
                continue
            if one.requested_ms in share.times:
                self._only_then(one, share.why.get(one.request_id, "not on this event"))
            else:
                self.outcome.unknown += 1  # its event is not stored yet, or any more

    def _only_then(self, one: Made, why: str) -> None:
        """Note a request that was made and would not be now."""
        self.outcome.only_then += 1
        if _postback(self._flow, one.postback_id) is None:
            why = "the flow has no such postback"
        if len(self.outcome.first) < MOST_SHOWN:
            names = (one.request_id, one.postback_id, one.event, one.lead_id, one.event_id)
            self.outcome.first.append(Difference("only then", *names, (why,)))

    def _show(self, kind: Literal["only now", "changed"], request: Request, lines: tuple[str, ...]) -> None:
        if len(self.outcome.first) < MOST_SHOWN:
            origin = request.origin
            names = (
                request.request_id,
                origin.postback_id,
                origin.event,
                origin.lead_id,
                origin.event_id,
            )
            self.outcome.first.append(Difference(kind, *names, lines))

    def _count(self, postback_id: str, what: str) -> None:
        self.outcome.now.setdefault(postback_id, Counter())[what] += 1


@dataclass(slots=True)
class _Share:
    """Some leads' requests of then: which were met again, and why others would not be made now."""

    made: Mapping[str, Made]
    then: Callable[[int], Flow | None]
    met: set[str] = field(default_factory=set)
    why: dict[str, str] = field(default_factory=dict)
    times: set[int] = field(default_factory=set)  # of the events of the span


def _postback(flow: Flow | None, postback_id: str) -> Postback | None:
    return next((one for one in flow.postbacks if one.id == postback_id), None) if flow is not None else None


def _renders_alike(then: Flow, was: Postback, now: Flow, is_: Postback, made: Made, request: Request) -> bool:
    """Whether both make the same of the same facts, as far as can be told without rendering."""
    return (was.template, dict(was.headers), was.omit_empty, dict(then.params), made.event) == (
        is_.template,
        dict(is_.headers),
        is_.omit_empty,
        dict(now.params),
        request.origin.event,
    )


def _wire(request: Request) -> tuple[object, ...]:
    return request.method, request.link, request.headers, request.body


def _changes(old: Request, new: Request) -> tuple[str, ...]:
    told = [line.rstrip("\n") for line in ndiff(lines_of(old), lines_of(new)) if line[:1] in "+-"]
    return tuple(told) or ("only in what is masked",)
