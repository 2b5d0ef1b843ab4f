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
from app.outbound.hosts.job import NOTHING, Report
from app.outbound.verdict import Judgement


def report_of(outcome: Answer | Failure, judgement: Judgement, retry_after_max_ms: int) -> Report:
    """The report of a send; a host is believed to want no longer a wait than `retry_after_max_ms`."""
    if judgement.verdict == "throttle":
        asked_ms = judgement.retry_after_ms
        return Report("throttles", None if asked_ms is None else min(asked_ms, retry_after_max_ms))
    if judgement.verdict == "ok":
        return Report("works")
    if isinstance(outcome, Failure):
        nothing_sent = outcome.kind in ("blocked", "unsendable")
        return NOTHING if nothing_sent else Report("fails")
    return Report("errs" if outcome.status >= 500 else "works")
