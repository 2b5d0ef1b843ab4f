"""A flow and its postbacks as the code uses them: normalised, checked, their templates compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.flows.verdict import Verdict
from app.flows.when import Condition
from app.leads.events import Scalar
from app.templates.program import Program


@dataclass(frozen=True, slots=True)
class Postback:
    """One of a flow's postbacks, normalised. `on` holds known events, `wait` as `new`; times in seconds.

    `tokens` are the tokens that its template itself writes (`tokens.literal_tokens`).
    """

    id: str
    on: tuple[str, ...]
    template: str
    program: Program = field(repr=False, compare=False)
    tokens: frozenset[str] = field(default=frozenset(), repr=False)
    name: str = ""
    enabled: bool = True
    require: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    repeat: Literal["on_change", "always"] = "on_change"
    headers: Mapping[str, str] = field(default_factory=dict)
    omit_empty: bool = False
    mask: bool = True
    timeout_s: float = 10.0
    max_attempts: int = 8
    deadline_s: float = 259_200.0
    on_newer: Literal["send", "drop"] = "send"
    waits_s: tuple[float, ...] = ()
    delay_s: float = 0.0
    verdict: tuple[Verdict, ...] = ()
    rate_limit_per_s: float | None = None
    idempotency_header: str | None = None
    sign_with: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow, normalised. `version` is the offset of its record in `flow-configs`, -1 for none."""

    flow_id: str
    name: str
    postbacks: tuple[Postback, ...]
    enabled: bool = True
    params: Mapping[str, Scalar] = field(default_factory=dict)
    log_skips: Literal["fired", "all"] = "fired"
    version: int = -1
