"""Send one request and show what came of it: what `postbacks test-send` and the editor's test do.

It goes through OUTBOUND's courier, guard and verdict, and is shown as its row would show it: masked and
capped. There is no row: the log tells what happened to leads.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from app.kit.clock import now_ms
from app.kit.secrets import Secrets
from app.messages.record import Address, LogRecord
from app.messages.request import Request
from app.outbound.attempt import Rows
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.mask import Hiding, shown
from app.outbound.policy import Delivered, Failed
from app.outbound.verdict import judge
from app.outbound.wire import put_together
from app.settings import Settings
from app.templates.pipeline import SecretMissing
from app.templates.text import Unsendable

_SHOWN = (
    *("method", "url", "request_headers", "request_body", "response_status", "response_headers"),
    *("response_body", "error", "duration_ms", "verdict", "rule", "reason"),
)


async def send_once(settings: Settings, secrets: Secrets, request: Request) -> LogRecord:
    """The row that sending `request` would leave, its headers those that went out."""
    started_ms = now_ms()
    guard = Guard(settings.allow_networks)
    async with Courier(secrets, guard.open_socket, unix_ms=lambda: started_ms) as courier:
        outcome = await courier.send(request)
    judgement = judge(outcome, request.delivery.verdict, now_ms())
    step = (Delivered if judgement.verdict == "ok" else Failed)(judgement.reason)
    record = Rows("", settings.worker, secrets).attempt(
        request,
        Address(0, 0),
        outcome,
        judgement,
        step,
        attempt_id="",
        started_ms=started_ms,
        ended_ms=now_ms(),
    )
    return structs.replace(record, request_headers=_headers(request, secrets, started_ms // 1000))


def as_json(record: LogRecord) -> dict[str, Any]:
    """What is told of a trial: the request, the answer, the verdict."""
    return {name: getattr(record, name) for name in _SHOWN}


def _headers(request: Request, secrets: Secrets, unix_s: int) -> dict[str, str]:
    """All headers that went out, those of the flow as a row shows them."""
    masked = {name.lower(): value for name, value in shown(request).headers.items()}
    try:
        sent = put_together(request, secrets, unix_s).headers
    except (SecretMissing, Unsendable):
        return shown(request).headers
    hiding = Hiding(request, secrets)
    return {name: masked.get(name.lower(), hiding.text(value)) for name, value in sent}
