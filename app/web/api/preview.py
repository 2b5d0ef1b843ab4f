"""`POST /api/preview`: what a template would send. `POST /api/test-send`: it is really sent, once."""

from __future__ import annotations

import secrets

from msgspec import Struct

from app.join.trial import template_request
from app.leads.events import LeadEvent, decode
from app.leads.malformed import Malformed
from app.outbound.trial import as_json, send_once
from app.templates.fault import TemplateFault
from app.templates.preview import Ask, Fault, Refused, Shown, preview, read_ask
from app.web.api.call import Answer, Call, refused
from app.web.problem import Problem, Wrong
from app.web.texts import say


class Sent(Struct, kw_only=True):
    """What was sent and what came back, as its row would show it: secrets as •••, bodies up to 16 KiB."""

    method: str
    url: str
    request_headers: dict[str, str]
    request_body: str
    response_status: int | None
    response_headers: dict[str, str]
    response_body: str
    error: str
    duration_ms: float | None
    verdict: str
    rule: str
    reason: str
    warnings: list[str]


async def show_preview(call: Call[None, bytes]) -> Answer[Shown]:
    """Render a template with an event and show the request. A secret shows as •••."""
    return Answer(_shown(call, _asked(call)))


async def send_test(call: Call[None, bytes]) -> Answer[Sent]:
    """Really send what a template makes of an event, once, and show the answer with its verdict.

    It goes the way of every postback; secrets are the installation's. No row is written.
    """
    web, ask = call.web, _asked(call)
    if web.settings.sending == "dry-run":
        raise Problem(409, say("flow.dry_run"))
    if ask.secrets:
        raise refused("secrets", "those of the installation are used")
    warnings = _shown(call, ask).warnings
    event = decode(bytes(ask.event), need_ids=False) if bytes(ask.event) else LeadEvent()
    if isinstance(event, Malformed):
        raise refused("event", str(event))
    try:
        request = template_request(ask, event, web.settings, web.secrets, web.now_ms())
    except TemplateFault as fault:
        raise refused("template", fault.reason) from None
    sent = await send_once(web.settings, web.secrets, request)
    return Answer(Sent(**as_json(sent), warnings=warnings))


def _asked(call: Call[None, bytes]) -> Ask:
    ask = read_ask(call.body.replace(b"\n", b" "))
    if isinstance(ask, Refused):
        raise _wrong(ask.error)
    return ask


def _shown(call: Call[None, bytes], ask: Ask) -> Shown:
    answer = preview(ask, now_ms=call.web.now_ms(), random=secrets.token_hex(8), reveal=False)
    if isinstance(answer, Refused):
        raise _wrong(answer.error)
    return answer


def _wrong(fault: Fault) -> Problem:
    return Problem(422, fault.reason, [Wrong(fault.part, fault.reason, at=fault.at)])
