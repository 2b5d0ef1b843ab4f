"""What an outcome says of the host it was sent to, whatever it says of the request.

| the host | |
| --- | --- |
| works | any answer below 500, and what a rule of the postback takes for delivered |
| throttles | the verdict `throttle`, by the table or by a rule |
| errs | 5xx: it is there, and may mean one click; only a run of them closes the circuit |
| fails | no whole answer: time-out, no connection, no such name, TLS, closed, not HTTP |
"""

from __future__ import annotations

from app.outbound.answers import Answer, Failure
from app.outbound.hosts.job import Kind, Report
from app.outbound.verdict import Judgement

_OURS = ("blocked", "unsendable", "token", "credential")  # what says nothing of the host


def report_of(outcome: Answer | Failure, judgement: Judgement, retry_after_max_ms: int) -> Report:
    """The report of a send; a host is believed to want no longer a wait than `retry_after_max_ms`."""
    asked_ms = judgement.retry_after_ms
    kind = _kind(outcome, judgement)
    wait_ms = min(asked_ms, retry_after_max_ms) if kind == "throttles" and asked_ms is not None else None
    return Report(kind, wait_ms, outcome.duration_ms)


def _kind(outcome: Answer | Failure, judgement: Judgement) -> Kind:
    if judgement.verdict == "throttle":
        return "throttles"
    if judgement.verdict == "ok":
        return "works"
    if isinstance(outcome, Failure):
        return "nothing" if outcome.kind in _OURS else "fails"
    return "errs" if outcome.status >= 500 else "works"
