"""Why a request was made, or was not, and what its answer was taken for. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.flows.config import FlowFault, parse
from app.flows.flow import Flow, Postback
from app.flows.tokens import mask_form, mask_headers, mask_json, mask_link
from app.flows.when import Condition
from app.kit.hiding import MASK
from app.leads.events import Scalar
from app.queries.flows import Version
from app.queries.rows import Shown
from app.web.numbers import day, time_of_day
from app.web.texts import say

_DEFAULT = "default: "
_SAME_AS = "unchanged: the same as request "


@dataclass(frozen=True, slots=True)
class Why:
    """Sentences; the request that says the same, if that is why; the postback's config, tokens masked."""

    sentences: list[str]
    same_as: str = ""
    config: str = ""


def flow_in(stored: Version | None) -> Flow | None:
    """The flow of a stored version; None when there is none, or it cannot be read."""
    try:
        return None if stored is None else parse(stored.value, version=stored.version)
    except FlowFault:
        return None


def postback_in(flow: Flow | None, postback_id: str) -> Postback | None:
    """A postback of the flow, by its id."""
    return next((one for one in flow.postbacks if one.id == postback_id), None) if flow is not None else None


def why(rows: Sequence[Shown], stored: Version | None, fingerprint: str, unknown: str) -> Why:
    """Why the request of `rows` (oldest first) was made as it was; `stored` is its flow's version.

    `fingerprint` is its own, or "" with why it is `unknown`.
    """
    last = rows[-1]
    postback = postback_in(flow_in(stored), last.postback_id)
    told = [*_of_flow(last, stored, postback)] if last.flow_id else []
    if postback is not None:
        told += _of_rule(postback)
        told.append(_of_fingerprint(fingerprint, unknown))
    if last.outcome in ("skipped", "rejected", "blocked", "parked", "discarded") and last.reason:
        told.append(say("show.why_reason", reason=last.reason))
    if verdict := next((row for row in reversed(rows) if row.verdict), None):
        told.append(say("show.why_verdict", verdict=verdict.verdict, rule=_of_verdict(verdict.rule)))
    same_as = last.reason.removeprefix(_SAME_AS) if last.reason.startswith(_SAME_AS) else ""
    return Why(told, same_as, "" if postback is None else _config(postback))


def _of_verdict(rule: str) -> str:
    default = rule.removeprefix(_DEFAULT)
    return say("show.why_default", rule=default) if default != rule else say("show.why_rule", rule=rule)


def _of_flow(last: Shown, stored: Version | None, postback: Postback | None) -> list[str]:
    told = []
    if stored is None:
        told.append(say("show.why_unknown", version=last.flow_version, flow=last.flow_id))
    elif last.postback_id and postback is None:
        told.append(say("show.why_no_postback", version=last.flow_version, flow=last.flow_id))
    elif postback is not None:
        told.append(
            say(
                "show.why_fires",
                postback=postback.id,
                flow=last.flow_id,
                on=", ".join(postback.on),
                event=last.event or say("none"),
            )
        )
    if last.flow_id == "*" and last.lead_flow_id:
        told.append(say("show.why_global", flow=last.lead_flow_id))
    if stored is not None:
        at = f"{day(stored.recorded_at)} {time_of_day(stored.recorded_at)}"
        told.append(say("show.why_version", version=stored.version, at=at))
    return told


def _of_rule(postback: Postback) -> list[str]:
    told = []
    if postback.when:
        told.append(say("show.why_when", when=_written_when(postback)))
    if postback.require:
        told.append(say("show.why_require", require=", ".join(postback.require)))
    return [*told, say(f"show.why_repeat.{postback.repeat}")]


def _of_fingerprint(fingerprint: str, unknown: str) -> str:
    if fingerprint:
        return say("show.why_fingerprint", fingerprint=fingerprint)
    return say("show.why_no_fingerprint", reason=unknown)


def _written_when(postback: Postback) -> str:
    return "; ".join(map(_condition, postback.when))


def _condition(asked: Condition) -> str:
    told = []
    if asked.any_of is not None:
        told.append(" or ".join(map(_value, asked.any_of)))
    if asked.none_of is not None:
        told.append("not " + " nor ".join(map(_value, asked.none_of)))
    told += [
        f"{word} {bound:f}" for word, bound in (("≥", asked.low), ("≤", asked.high)) if bound is not None
    ]
    return f"{asked.field}: {', '.join(told)}"


def _value(value: Scalar) -> str:
    return say("lead.unset") if value is None else str(value)


def _config(postback: Postback) -> str:
    """What decides what the postback sends, and when."""
    told: dict[str, Any] = {
        "id": postback.id,
        "on": postback.on,
        "template": _masked(postback),
        "when": [_condition(asked) for asked in postback.when],
        "require": postback.require,
        "repeat": postback.repeat,
        "headers": mask_headers(dict(postback.headers)) if postback.delivery.mask else dict(postback.headers),
        "delay_s": postback.delay_s,
        "enabled": postback.enabled,
    }
    return json.dumps(
        {name: value for name, value in told.items() if value not in ([], ())}, indent=2, ensure_ascii=False
    )


def _masked(postback: Postback) -> str:
    if not postback.delivery.mask:
        return postback.template
    link, bar, rest = postback.template.partition("|")
    kind, _, body = rest.partition("|")
    masked = mask_link(link)
    if bar:
        masked += f"|{kind}|" + (mask_json(body) if kind == "JSON" else mask_form(body))
    for token in postback.delivery.tokens or ():
        masked = masked.replace(token, MASK)
    return masked
