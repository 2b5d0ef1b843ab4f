"""Plain inbound postbacks: for each token, which parameter of a call fills which field of a lead event. Pure.

`POSTBACKS_INBOUND` names a JSON file:

    {"TOKEN": {"flow": "F-7",
               "fields": {"lead_id": "id", "status": "status", "price": "payout", "click.id": "subid"},
               "statuses": {"sale": "approve"}}}

`GET /in/TOKEN?id=L-1&status=sale&payout=12.5` is then an `approve` of lead L-1. A call that names no event id
gets one made of what it says, so that the same call again changes nothing; a network that may say the same
twice and mean it (two deposits) has to send an id of its own: `"event_id": "transaction"`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from app.kit.reader import SettingsFault
from app.leads.events import decode, is_blank
from app.leads.lines import EventLine
from app.leads.malformed import CLICK, CUSTOMER, IDS, STATUSES, TEXTS, Malformed
from app.templates.names import nearest
from app.templates.numbers import read_number

LEAST_TOKEN = 16
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]+")
_FIELDS = (
    *(*IDS, "status", "occurred_at", "price", *TEXTS),
    *(f"click.{name}" for name in CLICK),
    *(f"customer.{name}" for name in CUSTOMER),
)
_FREE = re.compile(r"(tags|meta)\..+", re.DOTALL)
_UNIX = re.compile(r"[0-9]{10}|[0-9]{13}")


class Mapped(Struct, frozen=True, forbid_unknown_fields=True):
    """What a token's calls mean: their flow, the parameter of each field, and ours for their statuses."""

    flow: str
    fields: dict[str, str]
    statuses: dict[str, str] = {}


class WrongCall(Exception):
    """A call that makes no lead event; the text says what is wrong, by its parameter."""


class Inbound:
    """The tokens of an installation."""

    def __init__(self, mapped: Mapping[str, Mapped] | None = None) -> None:
        self._mapped = dict(mapped or {})

    @property
    def tokens(self) -> frozenset[str]:
        """All of them: what no log may show."""
        return frozenset(self._mapped)

    def find(self, token: str) -> Mapped | None:
        """What a token's calls mean, None for no token of ours; it takes as long for any."""
        given, found = _digest(token), None
        for known, mapped in self._mapped.items():
            if hmac.compare_digest(_digest(known), given):
                found = mapped
        return found


def read_inbound(file: Path | None) -> Inbound:
    """The tokens of a file; none without one. Raises `SettingsFault`, which shows no token."""
    if file is None:
        return Inbound()
    try:
        mapped = msgspec.json.decode(file.read_bytes(), type=dict[str, Mapped])
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise _fault(file, str(error)) from None
    for number, (token, one) in enumerate(mapped.items(), 1):
        if why := _token_fault(token) or _mapped_fault(one):
            raise _fault(file, f"entry {number}: {why}")
    return Inbound(mapped)


def event_of(mapped: Mapped, given: Mapping[str, str]) -> EventLine:
    """The lead event that a call's parameters make. Raises `WrongCall`."""
    told: dict[str, Any] = {"flow_id": mapped.flow}
    for field, parameter in mapped.fields.items():
        if not is_blank(text := given.get(parameter, "")):
            _put(told, field, _value(field, parameter, text, mapped))
    if "lead_id" not in told:
        raise WrongCall(f"{mapped.fields['lead_id']}: missing, it names the lead")
    told.setdefault("event_id", _id_of(told))
    value = json.dumps(told).encode()
    event = decode(value)
    if isinstance(event, Malformed):
        raise WrongCall(f"{mapped.fields.get(event.path, event.path)}: {event.reason}")
    return EventLine(1, event.event_id, event.lead_id, value)


def _value(field: str, parameter: str, text: str, mapped: Mapped) -> str | float:
    if field == "status":
        status = mapped.statuses.get(text, text)
        if status not in STATUSES:
            known = ", ".join((*mapped.statuses, *STATUSES))
            raise WrongCall(f"{parameter}: {text[:60]!r} is no status; known are {known}")
        return status
    if field == "price":
        return _number(parameter, text)
    if field == "occurred_at" and _UNIX.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC).isoformat()
    return text


def _number(parameter: str, text: str) -> float:
    number = read_number(text)
    if number is None:
        raise WrongCall(f"{parameter}: expected a number such as 12.5, got {text[:60]!r}")
    return int(number) if number == number.to_integral_value() else float(number)


def _put(told: dict[str, Any], field: str, value: str | float) -> None:
    name, dot, rest = field.partition(".")
    if dot:
        told.setdefault(name, {})[rest] = value
    else:
        told[name] = value


def _id_of(told: Mapping[str, Any]) -> str:
    text = json.dumps(told, sort_keys=True)
    return "in-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _token_fault(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        return "a token is of A-Z a-z 0-9 _ . ~ -, since it stands in a link"
    if len(token) < LEAST_TOKEN:
        return f"its token has {len(token)} characters and could be guessed: take {LEAST_TOKEN} or more"
    return ""


def _mapped_fault(mapped: Mapped) -> str:
    if is_blank(mapped.flow):
        return "flow: an empty text"
    if "lead_id" not in mapped.fields:
        return "fields: lead_id is missing, a parameter has to name the lead"
    for field, parameter in mapped.fields.items():
        if field not in _FIELDS and not _FREE.fullmatch(field):
            return f"fields: there is no field {field!r}; did you mean {nearest(field, _FIELDS)}?"
        if is_blank(parameter):
            return f"fields.{field}: the parameter that fills it has no name"
    for theirs, ours in mapped.statuses.items():
        if ours not in STATUSES:
            return f"statuses.{theirs}: {ours!r} is none of ours, which are {', '.join(STATUSES)}"
    return ""


def _fault(file: Path, why: str) -> SettingsFault:
    return SettingsFault(f"POSTBACKS_INBOUND={str(file)!r} cannot be used: {why}")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
