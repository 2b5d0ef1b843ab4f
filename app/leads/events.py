"""Lead events: what a producer tells about a lead, decoded from the bytes of a record.

Absent and null differ: an absent field keeps what the lead has, a null clears it. A text that is empty or
all white space counts as missing: as an id it is no id, as `flow_id` or `status` the event brings none,
anywhere else it reads as null. Null `flow_id` and `status` are absent too, since every lead has both.
Keys that are not of the contract are ignored, so that producers may evolve; a number written as a text
(`"price": "12.5"`) is refused, never guessed.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from app.leads.instant import unix_ms
from app.leads.malformed import (
    CLICK,
    CUSTOMER,
    IDS,
    KNOWN,
    MAX_BYTES,
    STATUSES,
    Malformed,
    first_fault,
)
from app.leads.plain import MAX_INTEGER, MIN_INTEGER, NotPlain, is_blank, kind, read_plain

__all__ = ["Click", "Customer", "LeadEvent", "Malformed", "Scalar", "Told", "decode", "is_blank"]

Scalar = str | int | float | bool | None
Told = str | UnsetType | None
"""A text as an event tells it: UNSET keeps, null clears."""


class Click(Struct, kw_only=True, forbid_unknown_fields=True):
    """What an event tells of the click."""

    id: Told = UNSET
    ip: Told = UNSET
    ua: Told = UNSET
    geo: Told = UNSET
    lang: Told = UNSET
    referer: Told = UNSET
    url: Told = UNSET


class Customer(Struct, kw_only=True, forbid_unknown_fields=True):
    """What an event tells of the person."""

    name: Told = UNSET
    phone: Told = UNSET
    email: Told = UNSET
    comment: Told = UNSET


class LeadEvent(Struct, kw_only=True, forbid_unknown_fields=True):
    """One lead event, its texts settled: no text is blank, `wait` is `new`.

    `event_id` and `lead_id` are "" only in a preview. `occurred_at` is the producer's text.
    """

    event_id: str = ""
    lead_id: str = ""
    flow_id: str | None = None
    status: str | None = None
    occurred_at: str | None = None
    goal: Told = UNSET
    price: int | float | UnsetType | None = UNSET
    currency: Told = UNSET
    reason: Told = UNSET
    uid: Told = UNSET
    click: Click | UnsetType | None = UNSET
    tags: dict[str, Scalar] | UnsetType | None = UNSET
    customer: Customer | UnsetType | None = UNSET
    meta: dict[str, Scalar] | UnsetType | None = UNSET
    silent: bool = False
    erase: bool = False

    def occurred_ms(self) -> int | None:
        """The event's own time in Unix milliseconds; None when it has none."""
        return None if self.occurred_at is None else unix_ms(self.occurred_at)


_decoder = msgspec.json.Decoder(LeadEvent)


def decode(value: bytes | None, *, need_ids: bool = True) -> LeadEvent | Malformed:
    """The lead event that a record's value holds, or its first wrong field.

    `need_ids=False` is a preview's: there an event may lack its ids.
    """
    if value is None:
        return Malformed("", "no value: lead events are never deleted by a null")
    if len(value) > MAX_BYTES:
        return Malformed("", f"{len(value)} bytes, over the limit of {MAX_BYTES}")
    try:
        event = _decoder.decode(value)  # its types bound the depth: what it does not know it does not enter
    except (msgspec.DecodeError, ValueError):
        return _decode_slowly(value, need_ids)
    return event if _settle(event, need_ids) else _decode_slowly(value, need_ids)


def _decode_slowly(value: bytes, need_ids: bool) -> LeadEvent | Malformed:
    try:
        plain = read_plain(value)
    except NotPlain as why:
        return Malformed("", str(why))
    if not isinstance(plain, dict):
        return Malformed("", f"expected an object, got {kind(plain)}")
    if fault := first_fault(plain, need_ids=need_ids):
        return fault
    fields = {key: part for key, part in plain.items() if key in KNOWN}
    for name in (*IDS, "silent", "erase"):
        if fields.get(name, "") is None:
            del fields[name]
    for name, known in (("click", CLICK), ("customer", CUSTOMER)):
        if isinstance(told := fields.get(name), dict):
            fields[name] = {key: part for key, part in told.items() if key in known}
    event = msgspec.convert(fields, LeadEvent)
    _settle(event, need_ids)
    return event


def _settle(event: LeadEvent, need_ids: bool) -> bool:
    """Bring a decoded event into its settled form; False when it is not sound after all."""
    if _clear_blanks(event) and not _settle_blanks(event, need_ids):
        return False
    if event.status is not None:
        event.status = STATUSES.get(event.status)
        if event.status is None:
            return False
    if event.occurred_at is not None and unix_ms(event.occurred_at) is None:
        return False
    if event.click:
        _clear_blanks(event.click)
    if event.customer:
        _clear_blanks(event.customer)
    return (
        (event.price.__class__ is not int or MIN_INTEGER <= event.price <= MAX_INTEGER)
        and (not event.tags or _settle_scalars(event.tags))
        and (not event.meta or _settle_scalars(event.meta))
    )


def _settle_blanks(event: LeadEvent, need_ids: bool) -> bool:
    """Make of ids that were blank what they are without one; False when they are needed."""
    for name in IDS:
        if getattr(event, name) is None:
            setattr(event, name, "")
    return not need_ids or (event.event_id != "" and event.lead_id != "")


def _clear_blanks(told: Struct) -> bool:
    """Make null of texts that are blank; whether there was one."""
    found = False
    for index, value in enumerate(structs.astuple(told)):
        if value.__class__ is str and (not value or value.isspace()) and is_blank(value):
            setattr(told, told.__struct_fields__[index], None)
            found = True
    return found


def _settle_scalars(values: dict[str, Scalar]) -> bool:
    for key, value in values.items():
        if value.__class__ is str:
            if (not value or value.isspace()) and is_blank(value):
                values[key] = None
        elif value.__class__ is int and not MIN_INTEGER <= value <= MAX_INTEGER:
            return False
    return True
