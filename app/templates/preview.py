"""Render a template by itself, as `postbacks preview` and the flow editor do: no flow, no Kafka, no clock.

A preview knows one event and what its caller gives beside it. A secret that was not given shows as `•••`.
Whatever a line holds comes back as an answer or a fault, never as an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from app.leads.events import LeadEvent, Malformed, decode
from app.leads.fold import preview_lead
from app.templates.dates import to_ms
from app.templates.facts import Facts
from app.templates.fault import Part, TemplateFault
from app.templates.line import event_span
from app.templates.lint import lint_template
from app.templates.pipeline import SecretMissing
from app.templates.program import Program, Rendered, compile_template
from app.templates.text import Secrets, Text, Unsendable, fill, fill_body, fill_link, secrets_in, show

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1


class Ask(msgspec.Struct, kw_only=True):
    """What is to be previewed: a line of `--jsonl`. `event` is JSON, empty
    for none; `now` is in Unix seconds.
    """

    template: str
    event: msgspec.Raw = msgspec.Raw()
    now: int | float | None = None
    headers: dict[str, str] = {}
    params: dict[str, str | int | float | bool | None] = {}
    secrets: dict[str, str] = {}
    omit_empty: bool = False
    strict: bool = False


class Shown(msgspec.Struct):
    """The request that would be sent, its secrets filled in or masked."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    warnings: list[str]


class Fault(msgspec.Struct):
    """Why there is no request: the part, the place in the template (None where there is none), the reason."""

    part: Part | Literal["event", "line"]
    at: int | None
    reason: str


class Refused(msgspec.Struct):
    """The answer to what cannot be rendered."""

    error: Fault


def preview(ask: Ask, *, now_ms: int, random: str, reveal: bool) -> Shown | Refused:
    """Render what is asked for.

    `now_ms` is the time in Unix milliseconds when `ask` names none, `random` the value of `{random}`;
    `reveal` shows the secrets that `ask` gives.
    """
    event = decode(bytes(ask.event), need_ids=False) if bytes(ask.event) else LeadEvent()
    if isinstance(event, Malformed):
        return Refused(Fault("event", None, str(event)))
    facts = _facts(ask, event, now_ms, random)
    try:
        program = compile_template(ask.template, ask.headers, omit_empty=ask.omit_empty)
        rendered = program.render(facts, strict=ask.strict)
        _check(program, rendered, ask.secrets.get)
        warnings = lint_template(ask.template, ask.headers, tags=facts.lead.tags)
        return _shown(rendered, ask.secrets.get if reveal else None, warnings)
    except TemplateFault as fault:
        return Refused(Fault(fault.part, fault.at, fault.reason))


def _facts(ask: Ask, event: LeadEvent, now_ms: int, random: str) -> Facts:
    at_ms = None if ask.now is None else to_ms(ask.now)
    return Facts(
        preview_lead(event),
        now_ms=now_ms if at_ms is None else at_ms,
        time_ms=event.occurred_ms(),
        event=event.status or ("goal" if isinstance(event.goal, str) else None),
        event_id=event.event_id,
        random=random,
        params=ask.params,
        secret=ask.secrets.get,
    )


def _check(program: Program, rendered: Rendered, secret: Secrets) -> None:
    """Raise `TemplateFault` for what would fail the sending with the secrets that are given."""
    _check_filled("link", rendered.link, secret, fill_link)
    for value in rendered.headers.values():
        _check_filled("header", value, secret, fill)
    if rendered.body is not None:
        _check_filled(program.body_part, rendered.body, secret, fill_body)


def _check_filled(part: Part, text: Text, secret: Secrets, filled: Callable[[Text, Secrets], str]) -> None:
    given = all(secret(name) is not None for name in secrets_in(text))
    try:
        filled(text, secret) if given else show(text, secret)
    except (SecretMissing, Unsendable) as fault:
        raise TemplateFault(part, None, str(fault)) from None


def _shown(rendered: Rendered, secret: Secrets | None, warnings: list[str]) -> Shown:
    return Shown(
        rendered.method,
        show(rendered.link, secret),
        {name: show(value, secret) for name, value in rendered.headers.items()},
        None if rendered.body is None else show(rendered.body, secret),
        warnings,
    )


_decoder = msgspec.json.Decoder(Ask)


def read_ask(line: bytes) -> Ask | Refused:
    """What a line of `--jsonl` asks for."""
    try:
        return _sound(_decoder.decode(line))
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        reason = str(fault)
    span = event_span(line)
    if span is None:
        return _no_line(reason)
    # Whatever is wrong inside the event is the event's fault: read the line without it.
    start, end = span
    try:
        ask = _sound(_decoder.decode(line[:start] + b"{}" + line[end:]))
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        return _no_line(str(fault))
    if isinstance(ask, Ask):
        ask.event = msgspec.Raw(line[start:end])
    return ask


def _sound(ask: Ask) -> Ask | Refused:
    for name, value in (("now", ask.now), *ask.params.items()):
        if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
            return _no_line(f"{name} is out of range")
    return ask


def _no_line(reason: str) -> Refused:
    return Refused(Fault("line", None, f"not a line of preview: {reason}"))
