"""A flow config as people write it: the types that its JSON Schema and its lists of keys come from.

Configs are read by hand (`config`, `postback`), so that every refusal has its place and its words; the
bounds and words that reader and schema share are here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.flows.patterns import MAX_PATTERN
from app.flows.verdict import MAX_PATH, MAX_RULES, Then
from app.leads.events import Scalar

MAX_POSTBACKS = 200
MAX_DEADLINE_S = 366 * 86_400
MAX_ATTEMPTS = 10_000
MAX_WAITS = 100
MAX_WAIT_S = 30 * 86_400
LEAST_PER_S = 0.001
MOST_PER_S = 10_000
EVENTS = ("new", "hold", "approve", "cancel", "trash", "goal", "price", "any")

_EVENT = rf"^({'|'.join(EVENTS)}|wait|goal:.*\S.*)$"
_FIELD = r"^(geo|lang|currency|goal|price|subid|utm_(source|campaign|content|term|medium)|(tag|meta)\..+)$"

Event = Annotated[str, Meta(pattern=_EVENT)]
Scalars = Scalar | Annotated[list[Scalar], Meta(min_length=1)]
Needed = Annotated[str, Meta(pattern=r"\S")]
SecretName = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-][0-9A-Za-z_.-]{0,199}$")]
HeaderName = Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")]


class Asked(Struct, forbid_unknown_fields=True, rename={"not_": "not"}):
    """What a field of `when` may be asked for beside a value or a list: none of these, at least, at most."""

    not_: Scalars | UnsetType = UNSET
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET


class VerdictConfig(Struct, forbid_unknown_fields=True, rename={"is_": "is", "not_": "not"}):
    """A rule about an answer; it needs a status, a json path, a header or a match.

    `retry_after` is the JSON path of the seconds that a `throttle` asks to wait.
    """

    then: Then
    status: (
        Annotated[str, Meta(pattern="^[1-5]([0-9]{2}|[xX]{2})$")]
        | Annotated[int, Meta(ge=100, le=599)]
        | UnsetType
    ) = UNSET
    json: Annotated[str, Meta(min_length=1, max_length=MAX_PATH)] | UnsetType = UNSET
    header: HeaderName | UnsetType = UNSET
    match: Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)] | UnsetType = UNSET
    is_: Scalars | UnsetType = UNSET
    not_: Scalars | UnsetType = UNSET
    retry_after: Annotated[str, Meta(min_length=1, max_length=MAX_PATH)] | UnsetType = UNSET


class RetryConfig(Struct, forbid_unknown_fields=True):
    """How often, how long and when an undelivered request is sent again.

    `waits_s` are the waits after the first, second, … failed send, each ±20 %; the last one repeats.
    """

    max_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)] = 8
    deadline_s: Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S)] = 259_200.0
    waits_s: (
        Annotated[list[Annotated[float, Meta(ge=1, le=MAX_WAIT_S)]], Meta(min_length=1, max_length=MAX_WAITS)]
        | UnsetType
    ) = UNSET


class PostbackConfig(Struct, forbid_unknown_fields=True):
    """One postback. Without an id the slug of its name is one.

    `require` names macros that must have a value; of `email|phone` one is enough. `delay_s` is how long
    after its event it is sent. `idempotency_header` names the header that carries the request's id;
    `sign_with` names the secret that signs by Standard Webhooks. `rate_limit_per_s` is how many requests it
    sends in a second, all workers together.
    """

    on: Annotated[list[Event], Meta(min_length=1)]
    template: Needed
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    enabled: bool = True
    require: list[str] = []
    when: dict[Annotated[str, Meta(pattern=_FIELD)], Scalars | Asked] = {}
    repeat: Literal["on_change", "always"] = "on_change"
    headers: dict[HeaderName, str] = {}
    omit_empty: bool = False
    mask: bool = True
    timeout_s: Annotated[float, Meta(ge=1, le=30)] = 10.0
    retry: RetryConfig | UnsetType = UNSET
    verdict: Annotated[list[VerdictConfig], Meta(max_length=MAX_RULES)] = []
    delay_s: Annotated[float, Meta(ge=0, le=MAX_WAIT_S)] = 0
    on_newer: Literal["send", "drop"] = "send"
    rate_limit_per_s: Annotated[float, Meta(ge=LEAST_PER_S, le=MOST_PER_S)] | None = None
    idempotency_header: HeaderName | None = None
    sign_with: SecretName | None = None


Links = Needed | Annotated[list[Needed], Meta(min_length=1)]


class FlowConfig(Struct, forbid_unknown_fields=True):
    """A flow: which events send which postbacks.

    `postbacks` is a list, or in the short form an object of links by event, where a list of links makes
    `approve`, `approve-2`. A null value of the record deletes the flow.
    """

    flow_id: Needed
    name: str | UnsetType = UNSET
    enabled: bool = True
    params: dict[Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]+$")], Scalar] = {}
    log_skips: Literal["fired", "all"] = "fired"
    postbacks: Annotated[list[PostbackConfig], Meta(max_length=MAX_POSTBACKS)] | dict[Event, Links] = []


def short_id(event: str, index: int) -> str:
    """The id of an event's postback in the short form, by its place from 0: `approve`, `approve-2`."""
    return event if index == 0 else f"{event}-{index + 1}"
