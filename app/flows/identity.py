"""How a receiver knows a request again and knows that it is ours: the header with its id, its signature.

Both are written at sending, beside the headers of the template. A name that would stand in a request twice
is refused, because receivers differ in which of the two they read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.flows.fault import refuse, text, within
from app.flows.verdict import read_header_name
from app.kit.signing import HEADERS
from app.leads.plain import shown
from app.templates.headers import NEVER_A_FLOWS

_OF_THE_MESSAGE = NEVER_A_FLOWS | {
    "content-type",
    "content-encoding",
    "user-agent",
    "accept",
    "accept-encoding",
}
_secret_name = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,199}")


def read_idempotency_header(value: object, place: str) -> str:
    """The name of the header that carries the request's id. Raises `FlowFault`."""
    found = read_header_name(value, place)
    if found.lower() in _OF_THE_MESSAGE:
        refuse(place, f"{found} says something else about a request; take a name such as Idempotency-Key")
    return found


def read_sign_with(value: object, place: str) -> str:
    """The name of the secret to sign with. Raises `FlowFault`."""
    found = text(value, place)
    if _secret_name.fullmatch(found) is None:
        refuse(place, f"{shown(found)} is no name of a secret: write the NAME of {{secret.NAME}} alone")
    return found


def check_headers(
    headers: Mapping[str, str], idempotency: str | None, sign_with: str | None, place: str
) -> None:
    """Refuse a header that two of the postback's keys would write. Raises `FlowFault`."""
    names = {name.lower() for name in headers}
    if idempotency is not None:
        at = within(place, "idempotency_header")
        if idempotency.lower() in names:
            refuse(at, f"{idempotency} stands in headers too")
        if sign_with is not None and idempotency.lower() in HEADERS:
            refuse(at, f"sign_with writes {idempotency}; webhook-id is the request's id already")
    if sign_with is not None:
        for name in headers:
            if name.lower() in HEADERS:
                refuse(within(within(place, "headers"), name), "sign_with writes this header")
