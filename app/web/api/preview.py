"""`POST /api/preview`: what a template would send; nothing is sent."""

from __future__ import annotations

import secrets

from app.templates.preview import Refused, Shown, preview, read_ask
from app.web.api.call import Answer, Call
from app.web.problem import Problem, Wrong


async def show_preview(call: Call[None, bytes]) -> Answer[Shown]:
    """Render a template with an event and show the request. A secret shows as •••."""
    ask = read_ask(call.body.replace(b"\n", b" "))
    answer = (
        ask
        if isinstance(ask, Refused)
        else preview(ask, now_ms=call.web.now_ms(), random=secrets.token_hex(8), reveal=False)
    )
    if isinstance(answer, Refused):
        fault = answer.error
        raise Problem(422, fault.reason, [Wrong(fault.part, fault.reason, at=fault.at)])
    return Answer(answer)
