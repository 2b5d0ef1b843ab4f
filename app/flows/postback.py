"""Read one postback of a flow config: its keys, their bounds, its template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from app.flows import fault as read
from app.flows.delivery import Delivery
from app.flows.fault import refuse, within
from app.flows.flow import Postback
from app.flows.identity import check_headers, read_idempotency_header, read_sign_with
from app.flows.retry import read_delay, read_retry
from app.flows.tokens import literal_tokens
from app.flows.verdict import read_header_name, read_verdict
from app.flows.when import read_when
from app.flows.written import EVENTS, LEAST_PER_S, MOST_PER_S, PostbackConfig
from app.leads.plain import kind, shown
from app.templates.fault import TemplateFault
from app.templates.headers import NEVER_A_FLOWS
from app.templates.names import nearest_macro
from app.templates.program import Program, compile_template

T = TypeVar("T")

_POSTBACK_KEYS = PostbackConfig.__struct_encode_fields__


def read_postback(value: object, place: str) -> Postback:
    """A postback of the long form, its template compiled. Raises `FlowFault`; `place` begins its places."""
    told = read.members(value, place, _POSTBACK_KEYS)
    optional = {
        key: reader(told[key], within(place, key))
        for key, reader in _READERS.items()
        if read.is_told(told, key)
    }
    template = read.text(read.needed(told, "template", place), within(place, "template"))
    headers = _headers(told.get("headers", {}), within(place, "headers"))
    omit_empty = optional.get("omit_empty", False)
    check_headers(headers, optional.get("idempotency_header"), optional.get("sign_with"), place)
    postback_id = _postback_id(told, place)
    on = _events(read.needed(told, "on", place), within(place, "on"))
    program = compiled(template, headers, omit_empty, within(place, "template"), within(place, "headers"))
    of_delivery = {key: optional.pop(key) for key in Delivery.__struct_fields__ if key in optional}
    retry = read_retry(told.get("retry", {}), within(place, "retry"))
    delivery = Delivery(tokens=tokens_of(template), **retry, **of_delivery)
    made = Postback(postback_id, on, template, program, delivery, headers=headers, **optional)
    if made.delay_s > delivery.deadline_s:
        why = f"is beyond retry.deadline_s ({delivery.deadline_s:g}), which counts from the event too"
        refuse(within(place, "delay_s"), f"{made.delay_s:g} {why}: it would never be sent")
    return made


def _postback_id(told: Mapping[str, object], place: str) -> str:
    if read.is_told(told, "id"):
        return read.name(told["id"], within(place, "id"))
    if not read.is_told(told, "name"):
        refuse(place, "needs an id or a name")
    slug = slug_of(read.name(told["name"], within(place, "name")))
    return slug or refuse(
        within(place, "id"), "missing, and the name holds no letter or digit to make one of"
    )


def slug_of(name: str) -> str:
    """A name as an id: its letters and digits in lower case, a dash for what stands between them."""
    return "-".join("".join(char if char.isalnum() else " " for char in name.lower()).split())


def _events(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        refuse(place, f'expected a list of events such as ["new"], got {kind(value)}')
    events = [read_event(told, f"{place}[{index}]") for index, told in enumerate(read.items(value, place))]
    return tuple(dict.fromkeys(events))


def read_event(value: object, place: str) -> str:
    """One entry of `on`, `wait` as `new`. Raises `FlowFault`."""
    event = read.text(value, place)
    if event == "wait":
        return "new"
    if event.startswith("goal:") and event[5:].strip():
        return event
    if event not in EVENTS:
        refuse(place, f"unknown event {shown(event)}; {read.meant(event, (*EVENTS, 'goal:<id>'))}")
    return event


def compiled(template: str, headers: Mapping[str, str], omit_empty: bool, place: str, heads: str) -> Program:
    """The compiled template. Raises `FlowFault` at `place`, or at `heads` for a header."""
    try:
        return compile_template(template, headers, omit_empty=omit_empty)
    except TemplateFault as fault:
        if fault.part == "header":
            refuse(heads, fault.reason)
        where = "" if fault.at is None else f", at character {fault.at}"
        refuse(place, f"{fault.reason} (in its {fault.part} part{where})")


def tokens_of(template: str) -> tuple[str, ...]:
    """The tokens that a template which compiles itself writes, each once."""
    return tuple(sorted({token for _, token in literal_tokens(template)}))


def _headers(value: object, place: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, told in read.members(value, place).items():
        read_header_name(key, within(place, key))
        if not isinstance(told, str):
            refuse(within(place, key), f"expected a text, got {kind(told)}")
        if key.lower() in NEVER_A_FLOWS:
            refuse(within(place, key), "is set by the link and the body alone, it is never a flow's to say")
        if any(key.lower() == other.lower() for other in headers):
            refuse(within(place, key), "this header stands twice")
        headers[key] = told
    return headers


def _require(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        refuse(place, f'expected a list of macros such as ["click"], got {kind(value)}')
    return tuple(_any_of(told, f"{place}[{index}]") for index, told in enumerate(value))


def _any_of(value: object, place: str) -> str:
    """An entry of `require`: a macro, or several of which one is enough (`email|phone`)."""
    names = [name.strip() for name in read.text(value, place).split("|")]
    for name in names:
        _check_macro(name, place)
    return "|".join(names)


def _check_macro(name: str, place: str) -> None:
    if not is_macro_name(name) or name in ("meta", "secret", "tag", "param", "_"):
        refuse(place, f"unknown macro {shown(name)}; did you mean {nearest_macro(name)}?")
    if name.startswith("secret."):
        refuse(place, "a secret is looked up at sending, which fails by itself when it is not set")


def is_macro_name(name: str) -> bool:
    """Whether a text has only what may stand in a macro's name."""
    return name.isascii() and name.replace(".", "").replace("-", "").replace("_", "").isalnum()


def _timeout(value: object, place: str) -> float:
    return read.number(value, place, 1, 30, " seconds")


def _repeat(value: object, place: str) -> str:
    return read.choice(value, place, ("on_change", "always"))


def _on_newer(value: object, place: str) -> str:
    return read.choice(value, place, ("send", "drop"))


def _rate(value: object, place: str) -> float:
    return read.number(value, place, LEAST_PER_S, MOST_PER_S, " a second")


def _unless_null(reader: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    return lambda value, place: None if value is None else reader(value, place)


_READERS: Mapping[str, Callable[[object, str], Any]] = {
    "name": read.name,
    "enabled": read.flag,
    "require": _require,
    "when": read_when,
    "repeat": _repeat,
    "omit_empty": read.flag,
    "mask": read.flag,
    "timeout_s": _timeout,
    "delay_s": read_delay,
    "verdict": read_verdict,
    "on_newer": _on_newer,
    "rate_limit_per_s": _unless_null(_rate),
    "idempotency_header": _unless_null(read_idempotency_header),
    "sign_with": _unless_null(read_sign_with),
}
