"""The row of a send, and of a request that was not sent: masked, capped, complete.

Built from the same judgement and step that the agent acts on, so what was done and what the log says
cannot differ. What goes into a log line is taken from the row, never from the request: the row is masked.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from app.kit.secrets import Secrets
from app.messages.record import Address, LogRecord, Outcome, unsent_id
from app.messages.request import Request
from app.outbound.answers import STORED_BYTES, Answer, Failure
from app.outbound.mask import Hiding, shown
from app.outbound.policy import Blocked, Delivered, Parked, RetryAt, Step
from app.outbound.verdict import Judgement

MAX_REASON_BYTES = 2 * 1024
ERASED = "erased: its lead was"


class Rows:
    """Makes the rows of requests read from `topic` by `worker`; `secrets` are those that may come back."""

    def __init__(self, topic: str, worker: str, secrets: Secrets) -> None:
        self._topic = topic
        self._worker = worker
        self._secrets = secrets

    def attempt(
        self,
        request: Request,
        source: Address,
        outcome: Answer | Failure,
        judgement: Judgement,
        step: Step,
        *,
        attempt_id: str,
        started_ms: int,
        ended_ms: int,
    ) -> LogRecord:
        """The row of the send that followed `request.attempts` earlier ones (times: Unix milliseconds)."""
        answer = outcome if isinstance(outcome, Answer) else outcome.answer
        error = "" if isinstance(outcome, Answer) else outcome.text
        body = "" if answer is None else _text(answer.body)
        came = [step.reason, error, body]
        for header in () if answer is None else answer.headers:
            came += header
        hiding = Hiding(request, self._secrets, "\n".join(came))
        told: dict[str, Any] = {
            "attempt_id": attempt_id,
            "attempt": request.attempts + 1,
            "attempts": request.attempts + 1,
            "reason": _reason(step.reason, answer, hiding),
            "verdict": judgement.verdict,
            "rule": judgement.rule,
            "error": hiding.text(error),
            "duration_ms": round(outcome.duration_ms, 3),
            "queued_ms": float(max(0, started_ms - request.origin.requested_at)),
            "next_attempt_at": step.at_ms if isinstance(step, RetryAt) else None,
        }
        if answer is not None:
            told["response_status"] = answer.status
            told["response_headers"] = _capped(hiding.headers(_joined(answer.headers)))
            shown_body = hiding.text(body) if answer.complete else hiding.cut_text(body)
            told["response_body"] = cap(shown_body, STORED_BYTES)
        return self._record(request, source, _outcome(step), ended_ms, told)

    def unsent(
        self, request: Request, source: Address, outcome: Outcome, reason: str, *, now_ms: int
    ) -> LogRecord:
        """The row of a request that is not sent: overdue, a dry run, parked."""
        postback_id, attempts = request.origin.postback_id, request.attempts
        told = {
            "attempt_id": unsent_id(self._topic, source, postback_id, request.replay, attempts, outcome),
            "attempts": attempts,
            "reason": reason,
        }
        return self._record(request, source, outcome, now_ms, told)

    def erased(self, request: Request, source: Address, *, now_ms: int) -> LogRecord:
        """The row of a request whose lead was erased: what it would have sent, and to whom, is not in it."""
        origin = request.origin
        outcome: Outcome = "discarded"
        told = (self._topic, source, origin.postback_id, request.replay, request.attempts, outcome)
        return LogRecord(
            logged_at=now_ms,
            requested_at=origin.requested_at,
            outcome=outcome,
            attempt_id=unsent_id(*told),
            source=source,
            source_topic=self._topic,
            reason=ERASED,
            request_id=request.request_id,
            attempts=request.attempts,
            replay=request.replay,
            event_id=origin.event_id,
            lead_id=origin.lead_id,
            lead_seq=origin.lead_seq,
            flow_id=origin.flow_id,
            flow_version=origin.flow_version,
            postback_id=origin.postback_id,
            event=origin.event,
            worker=self._worker,
        )

    def _record(
        self, request: Request, source: Address, outcome: Outcome, now_ms: int, told: dict[str, Any]
    ) -> LogRecord:
        origin, seen = request.origin, shown(request)
        return LogRecord(
            logged_at=now_ms,
            requested_at=origin.requested_at,
            outcome=outcome,
            source=source,
            source_topic=self._topic,
            request_id=request.request_id,
            replay=request.replay,
            backfilled=request.backfilled,
            event_id=origin.event_id,
            lead_id=origin.lead_id,
            lead_seq=origin.lead_seq,
            lead_flow_id=origin.lead_flow_id or "",
            click_id=origin.click_id or "",
            flow_id=origin.flow_id,
            flow_version=origin.flow_version,
            postback_id=origin.postback_id,
            event=origin.event,
            price=origin.price,
            currency=origin.currency or "",
            geo=origin.geo or "",
            tags=origin.tags,
            method=request.method,
            host=request.host,
            url=seen.url,
            request_headers=_capped(seen.headers),
            request_body=cap(seen.body, STORED_BYTES),
            worker=self._worker,
            **told,
        )


def cap(text: str, limit_bytes: int) -> str:
    """The beginning of a text, at most `limit_bytes` of UTF-8, no character cut in two."""
    if len(text) * 4 <= limit_bytes:
        return text
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= limit_bytes else encoded[:limit_bytes].decode("utf-8", "ignore")


def _text(body: bytes) -> str:
    """A body without the zeros of UTF-16, between which a secret would not be found."""
    return body.decode("utf-8", "replace").replace("\0", "")


def _outcome(step: Step) -> Outcome:
    if isinstance(step, Delivered):
        return "delivered"
    if isinstance(step, RetryAt):
        return "retrying"
    if isinstance(step, Parked):
        return "parked"
    return "blocked" if isinstance(step, Blocked) else "failed"


def _reason(reason: str, answer: Answer | None, hiding: Hiding) -> str:
    if answer is not None and reason != f"status {answer.status}":
        location = answer.header("Location")
        reason = reason.replace(location, hiding.link(location)) if location else reason
    return cap(hiding.text(reason), MAX_REASON_BYTES)


def _joined(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Headers by name, as first written; values of one name joined with `, ` (RFC 9110, 5.2)."""
    if _are_distinct(tuple([name for name, _ in headers])):
        return dict(headers)
    names: dict[str, str] = {}
    found: dict[str, str] = {}
    for name, value in headers:
        known = names.setdefault(name.lower(), name)
        found[known] = f"{found[known]}, {value}" if known in found else value
    return found


@lru_cache(maxsize=1024)
def _are_distinct(names: tuple[str, ...]) -> bool:
    return len({name.lower() for name in names}) == len(names)


def _capped(headers: dict[str, str]) -> dict[str, str]:
    """The headers that fit into what is stored, the last one cut."""
    if sum(map(len, headers)) + sum(map(len, headers.values())) < STORED_BYTES // 4:
        return headers
    left = STORED_BYTES
    kept = {}
    for name, value in headers.items():
        left -= len(name.encode("utf-8", "replace"))
        if left <= 0:
            break
        kept[name] = cap(value, left)
        left -= len(kept[name].encode("utf-8", "replace"))
    return kept
