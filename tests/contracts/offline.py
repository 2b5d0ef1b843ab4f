"""What presets make of lead events, and how they read answers, without Kafka: the pure parts of both roles.

Quick enough for every way in which a request may be wrong; that the whole pipeline does the same is shown
once, by `vendor.exchange`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from app.flows.config import parse
from app.join.build import Source, Terms, join
from app.leads.lead import Lead
from app.messages.request import Request
from app.outbound import answers
from app.outbound.verdict import Judgement, judge
from app.outbound.wire import put_together
from app.presets.catalogue import presets
from app.presets.fill import add
from tests.contracts.vendor import Answer, Asked


@dataclass
class Made:
    """The requests of some lead events, as a vendor reads them, and why others were not made."""

    requests: list[tuple[Request, Asked]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def asked(self) -> list[Asked]:
        """The requests alone."""
        return [asked for _, asked in self.requests]


def config_of(preset_id: str, **params: str) -> str:
    """The flow that a preset makes, as JSON.

    The parameters are its examples, but for those that need not be given and are not.
    """
    preset = presets()[preset_id]
    given = {one.name: one.example for one in preset.params if one.default is None} | params
    return json.dumps(add({"flow_id": "F-7", "postbacks": []}, preset, given).config)


def made_of(
    preset_id: str, secrets: Mapping[str, str], now_ms: int, *events: Mapping[str, Any], **params: str
) -> Made:
    """What a preset makes of the events of one lead, all recorded at `now_ms`."""
    return made_by(config_of(preset_id, **params), secrets, now_ms, *events)


def made_by(config: str, secrets: Mapping[str, str], now_ms: int, *events: Mapping[str, Any]) -> Made:
    """The same of a flow config."""
    flow = parse(config.encode(), version=1)
    terms = Terms({"F-7": flow}.get, secrets.get, lambda: "random", 5.0, 90 * 86_400_000, "w1")
    lead: Lead | None = None
    made = Made()
    for offset, event in enumerate(events):
        told = {"event_id": f"e-{offset}", "lead_id": "L-1", "flow_id": "F-7", "status": "new", **event}
        value = json.dumps(told).encode("utf-8", "surrogatepass")
        source = Source("p.lead-events", 0, offset, now_ms, b"L-1", value)
        effects = join(source, lambda _, was=lead: was, terms, now_ms)  # type: ignore[misc]
        assert effects.rejected is None, effects.rejected
        lead = effects.lead
        made.requests += [(one, read(one, secrets)) for one in effects.requests]
        made.skipped += [(str(one.postback_id), one.reason) for one in effects.records]
    return made


def read(request: Request, secrets: Mapping[str, str]) -> Asked:
    """A request as it is sent, read."""
    wire = put_together(request, secrets.get, 0)
    parts = urlsplit(wire.link)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    headers = {name.lower(): value for name, value in wire.headers}
    return Asked(wire.method, parts.netloc, parts.path, query, headers, wire.body or b"")


def judged(request: Request, answer: Answer) -> Judgement:
    """What the preset takes an answer for."""
    told = answers.Answer(answer.status, tuple(answer.headers.items()), answer.content, 1.0)
    return judge(told, request.delivery.verdict, 0)
