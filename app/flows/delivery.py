"""How a postback wants its requests to be delivered: it travels with each of them to OUTBOUND."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.flows.verdict import Verdict
from app.flows.written import (
    LEAST_PER_S,
    MAX_ATTEMPTS,
    MAX_DEADLINE_S,
    MAX_WAIT_S,
    MAX_WAITS,
    MOST_PER_S,
    HeaderName,
    SecretName,
)

Wait = Annotated[float, Meta(gt=0, le=MAX_WAIT_S)]


class Delivery(Struct, frozen=True, omit_defaults=True):
    """How the postback wants its request to be delivered (keys of the flow config, normalised).

    `waits_s` is empty for the default schedule.
    `tokens` are those that its template itself writes, which are masked where the request is shown; None:
    not known, so whatever looks like one is. `sign_with` is the name of a secret.
    """

    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 10.0
    max_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)] = 8
    deadline_s: Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S)] = 259_200.0
    on_newer: Literal["send", "drop"] = "send"
    waits_s: Annotated[tuple[Wait, ...], Meta(max_length=MAX_WAITS)] = ()
    verdict: tuple[Verdict, ...] = ()
    mask: bool = True
    tokens: tuple[str, ...] | None = None
    rate_limit_per_s: Annotated[float, Meta(ge=LEAST_PER_S, le=MOST_PER_S)] | None = None
    idempotency_header: HeaderName | None = None
    sign_with: SecretName | None = None
