"""A flow and its postbacks as the code uses them: normalised, checked, their templates compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.flows.delivery import Delivery
from app.flows.when import Condition
from app.leads.events import Scalar
from app.templates.program import Program


@dataclass(frozen=True, slots=True)
class Postback:
    """One of a flow's postbacks, normalised. `on` holds known events, `wait` as `new`; times in seconds."""

    id: str
    on: tuple[str, ...]
    template: str
    program: Program = field(repr=False, compare=False)
    delivery: Delivery
    name: str = ""
    enabled: bool = True
    require: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    repeat: Literal["on_change", "always"] = "on_change"
    headers: Mapping[str, str] = field(default_factory=dict)
    omit_empty: bool = False
    delay_s: float = 0.0


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
