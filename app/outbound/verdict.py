"""What a receiver's answer means: the postback's own rules first, then the table.

| without a rule that holds | verdict |
| --- | --- |
| 2xx | ok |
| 408, 425, 5xx | retry |
| 429; 503 with a `Retry-After` that can be read | throttle |
| 401 | auth |
| other 4xx, and 3xx (the reason names `Location`) | final |
| any other status (RFC 9110, 15: an invalid one is taken for a 5xx) | retry |
| no answer in time, no connection, no such name, TLS, not HTTP | retry |
| every address refused by the guard | blocked |
| a request that cannot be put together | final |
| no access token now; a 401 to one that was accepted before | retry |
| an OAuth credential that its token server refuses | auth |

An answer that broke off in its body (closed half way, or not complete in time) is in doubt only if its
status is 2xx: then it is sent again, because a lost postback is worse than a repeated one, and the
receiver can tell repeats by `{request}` or `{event_id}`. Any other status has already refused the request
and is judged as it stands. A rule that needs no more than status and headers holds for such an answer
too: `{"status": "2xx", "then": "ok"}` is for receivers whose answers always break off.

A JSON path and a regular expression are read in the whole body that was read (64 KiB). JSON is read as
leniently as receivers write it (other encodings, raw control characters, lone surrogates, 1e999): a refusal
inside a body that is not quite JSON must not pass for a delivery.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec

from app.flows.compare import is_any
from app.flows.patterns import is_found
from app.flows.verdict import Then, Verdict, path_steps
from app.messages.envelope import UNREADABLE
from app.outbound.answers import Answer, Failure
from app.templates.numbers import to_number, whole_thousands

Meaning = Then | Literal["blocked"]
MAX_ASKED_S = 10**10
"""A wait of more seconds is none: nothing waits for three hundred years."""


class Judgement(msgspec.Struct, frozen=True):
    """What an answer means, by which rule, and why, in a sentence.

    `rule` is `verdict[0]` for a rule of the postback and `default: 5xx` for one of the table.
    `retry_after_ms` is how long the receiver asked to wait, from the time of the judgement.
    """

    verdict: Meaning
    rule: str
    reason: str
    retry_after_ms: int | None = None


def judge(outcome: Answer | Failure, rules: Sequence[Verdict], now_ms: int) -> Judgement:
    """Judge what came of a send by the postback's rules, else by the table."""
    if isinstance(outcome, Failure) and outcome.kind in ("token", "credential"):
        return _of_failure(outcome)  # whatever was answered is about our token, not about the request
    answer = outcome if isinstance(outcome, Answer) else outcome.answer
    if answer is not None:
        whole = isinstance(outcome, Answer)
        for index, rule in enumerate(rules):
            if (whole or not _reads_body(rule)) and holds(rule, answer):
                wait_ms = _asked_ms(rule, answer, now_ms)
                return Judgement(rule.then, f"verdict[{index}]", _of_rule(answer, rule, wait_ms), wait_ms)
        if whole or not 200 <= answer.status < 300:
            return _by_table(answer, now_ms)
    assert isinstance(outcome, Failure)
    return _of_failure(outcome)


def holds(rule: Verdict, answer: Answer) -> bool:
    """Whether everything that a rule names holds of an answer (`app.flows.verdict` says how)."""
    if rule.status is not None and not _is_status(rule.status, answer.status):
        return False
    if rule.match is not None and not is_found(rule.match, answer.body.decode("utf-8", "replace")):
        return False
    if rule.json is None and rule.header is None:
        return True
    value = _json_value(rule.json, answer) if rule.json is not None else answer.header(rule.header or "")
    if rule.is_ is None and rule.not_ is None:
        return value is not None
    return _is_wanted(rule, value)


def retry_after_ms(text: str | None, now_ms: int) -> int | None:
    """`Retry-After` as milliseconds from now: whole seconds or a date (RFC 9110, 10.2.3).

    None when there is none or it is neither; 0 for a date that is over.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return int(text.lstrip("0")[:10] or "0") * 1000
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    if when.tzinfo is None:  # `-0000`, or a form without a zone: HTTP dates are in UTC
        when = when.replace(tzinfo=UTC)
    return max(0, int(when.timestamp() * 1000) - now_ms)


def _asked_ms(rule: Verdict, answer: Answer, now_ms: int) -> int | None:
    """How long a receiver asks to wait: the seconds at the rule's path, else by the header."""
    told = _json_value(rule.retry_after, answer) if rule.retry_after is not None else None
    asked = to_number(told) if isinstance(told, int | float | str) else None
    if asked is not None and asked.is_finite() and 0 <= asked < MAX_ASKED_S:
        return whole_thousands(asked)
    return retry_after_ms(answer.header("Retry-After"), now_ms)


def _is_wanted(rule: Verdict, value: Any) -> bool:
    if isinstance(value, dict | list):
        return rule.is_ is None
    if rule.is_ is not None and not is_any(rule.is_, value):
        return False
    if rule.not_ is None:
        return True
    # A value that is not there is null, and meets `is: null` alone.
    return value is not None and not is_any(rule.not_, value)


def _by_table(answer: Answer, now_ms: int) -> Judgement:
    status = answer.status
    if 200 <= status < 300:
        return _ok(status)
    said = f"status {status}"
    wait_ms = retry_after_ms(answer.header("Retry-After"), now_ms)
    if status == 429 or (status == 503 and wait_ms is not None):
        asked = "" if wait_ms is None else f", asked to wait {wait_ms / 1000:g} s"
        return Judgement("throttle", f"default: {status}", said + asked, wait_ms)
    if status == 401:
        return Judgement("auth", "default: 401", f"{said}: the receiver does not accept our credentials")
    if status in (408, 425):
        return Judgement("retry", f"default: {status}", said)
    if 300 <= status < 400:
        return Judgement("final", "default: 3xx", f"{said}: {_redirect(answer)}")
    if 400 <= status < 500:
        return Judgement("final", "default: 4xx", said)
    rule = "default: 5xx" if 500 <= status < 600 else "default: unknown status"
    return Judgement("retry", rule, said)


@lru_cache
def _ok(status: int) -> Judgement:
    return Judgement("ok", "default: 2xx", f"status {status}")


def _redirect(answer: Answer) -> str:
    location = answer.header("Location")
    if location is None:
        return "a redirect without Location"
    return f"redirects are not followed; Location: {location}"


def _of_failure(failure: Failure) -> Judgement:
    rule = f"default: {failure.kind}"
    if failure.kind == "blocked":
        return Judgement("blocked", rule, failure.text)
    if failure.kind == "unsendable":
        return Judgement("final", rule, failure.text)
    if failure.kind in ("token", "credential"):
        return Judgement("retry" if failure.kind == "token" else "auth", rule, failure.text)
    if failure.answer is not None:
        hint = 'a verdict rule {"status": "2xx", "then": "ok"} takes such answers as they are'
        return Judgement("retry", rule, f"status {failure.answer.status}, but {failure.text}; {hint}")
    return Judgement("retry", rule, failure.text)


def _of_rule(answer: Answer, rule: Verdict, wait_ms: int | None) -> str:
    told = [f"status {answer.status}"]
    if rule.json is not None:
        told.append(f"{rule.json} is {_shown(_json_value(rule.json, answer))}")
    if rule.header is not None:
        told.append(f"{rule.header} is {_shown(answer.header(rule.header))}")
    if rule.match is not None:
        told.append(f"the body matches {rule.match}")
    if rule.then == "throttle" and wait_ms is not None:
        told.append(f"asked to wait {wait_ms / 1000:g} s")
    return ", ".join(told)


def _shown(value: Any) -> str:
    """A value of an answer for a person, whatever is in it.

    It is not cut: half of a secret that came back could not be found and masked. Rows cut what is masked.
    """
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def _reads_body(rule: Verdict) -> bool:
    return rule.json is not None or rule.match is not None


def _is_status(wanted: str, status: int) -> bool:
    return str(status) == wanted or (wanted.endswith("xx") and status // 100 == int(wanted[0]))


def _json_value(path: str, answer: Answer) -> Any:
    """What stands at a path of a JSON body; None when it is not there or the body is not JSON."""
    value = _json(answer.body.removeprefix(b"\xef\xbb\xbf"))
    for step in _steps(path):
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _json(body: bytes) -> Any:
    """The JSON value of a body; None when it is none, however leniently it is read."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE:
        pass
    try:
        return json.loads(body.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int, ...]:
    return path_steps(path) or ()
