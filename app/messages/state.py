"""Whether a postback is parked: the value of `postback-states`, one key a postback.

A parked postback's requests are kept in `postback-parked` instead of being sent. The state belongs to the
flow that holds the postback (`*` for a global one) and is none of the flow's config: applying a flow never
changes it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from app.kit.clock import utc
from app.messages.envelope import UNREADABLE
from app.messages.request import Request, UnixMs

Postback = tuple[str, str]
"""Flow id and postback id."""


class PostbackState(msgspec.Struct, frozen=True):
    """The state of one postback: why it is so, since when (Unix milliseconds), and by whom.

    `by` is the worker that parked it by itself, or the person who asked for it.
    """

    state: Literal["active", "parked"]
    why: str
    since: UnixMs
    by: str

    def told(self) -> str:
        """What a person is told of it: `parked since 2026-11-24T10:00:00Z by w1: status 401`."""
        return f"{self.state} since {utc(self.since)} by {self.by}" + (f": {self.why}" if self.why else "")


_state = msgspec.json.Decoder(PostbackState)
_names: msgspec.json.Decoder[Postback] = msgspec.json.Decoder(Postback)


def key_of(flow_id: str, postback_id: str) -> str:
    """The key of a postback's state: a JSON array of both ids, `["F-7","fb"]`."""
    return msgspec.json.encode((flow_id, postback_id)).decode()


def postback_of(key: str) -> Postback | None:
    """The flow id and postback id that a key names; None when it is no key of ours."""
    try:
        return _names.decode(key)
    except UNREADABLE:
        return None


def decode_state(value: bytes) -> PostbackState:
    """The state that a record holds. Raises one of `envelope.UNREADABLE`."""
    return _state.decode(value)


def parked_key(request: Request) -> bytes:
    """A request's key in `postback-parked`: its id, and `.1`, `.2`, … for a replay."""
    return (f"{request.request_id}.{request.replay}" if request.replay else request.request_id).encode()
