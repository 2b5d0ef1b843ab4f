"""Read a request that somebody wrote to `postback-requests`, down to what its types do not say.

During an upgrade a newer JOIN may name a filter or a rule that this worker does not know. Such a request
is no reason to end, and none to send half of it: like one that is no request at all, it is kept.
"""

from __future__ import annotations

import re

import msgspec

from app.flows.fault import FlowFault
from app.flows.patterns import read_pattern
from app.flows.verdict import Verdict, path_steps
from app.messages.request import Request
from app.templates.filters import BadFilter
from app.templates.text import Slot, check_slot

_requests = msgspec.json.Decoder(Request)
_status = re.compile(r"[1-5]([0-9]{2}|xx)")


def read_request(value: bytes | msgspec.Raw) -> Request:
    """The request that a value of an envelope holds. Raises one of `envelope.UNREADABLE`."""
    request = _requests.decode(value)
    for text in (request.link, *request.headers.values(), request.body):
        for piece in text if isinstance(text, list) else ():
            if isinstance(piece, Slot):
                _check(piece)
    for index, rule in enumerate(request.delivery.verdict):
        _check_rule(rule, index)
    return request


def _check(slot: Slot) -> None:
    try:
        check_slot(slot)
    except BadFilter as fault:
        raise msgspec.ValidationError(f"secret.{slot.secret}: {fault}") from None


def _check_rule(rule: Verdict, index: int) -> None:
    if rule.status is not None and not _status.fullmatch(rule.status):
        raise msgspec.ValidationError(f"verdict[{index}].status: no status such as 200 or 2xx")
    if rule.json is not None and path_steps(rule.json) is None:
        raise msgspec.ValidationError(f"verdict[{index}].json: no path")
    if rule.match is not None:
        try:
            read_pattern(rule.match, f"verdict[{index}].match")
        except FlowFault as fault:
            raise msgspec.ValidationError(str(fault)) from None
