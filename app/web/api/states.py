"""`POST /api/states`: a postback is parked, or what it keeps is released."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.web.api.call import Answer, Call
from app.web.problem import Problem
from app.web.releasing import NoPostback, look, park, release_of, start_release


class StateAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a postback is to be: parked at once, or active once all that it keeps is let go.

    `confirm` begins the release, `rate_per_s` is its pace; `rerender` renders what is kept by the flow as it
    is now. `why` is what others read about a parked one.
    """

    flow_id: str
    postback_id: str
    state: Literal["parked", "active"]
    why: str = ""
    rerender: bool = False
    rate_per_s: Annotated[float, Meta(ge=0.1, le=10_000)] = 50
    confirm: bool = False


class Stays(Struct):
    """A kept request that cannot be rendered anew, and why."""

    request_id: str
    lead_id: str
    reason: str


class StateNow(Struct):
    """A postback's state, and what it keeps: how many, how many of them past their deadline.

    `since`, `oldest` and `newest` (of the kept requests' events) are Unix milliseconds. With `rerender`: how
    many would differ, the first few differences, and what would stay. `releasing` says that a release runs.
    """

    flow_id: str
    postback_id: str
    state: Literal["parked", "active"]
    why: str = ""
    since: int | None = None
    by: str = ""
    kept: int = 0
    overdue: int = 0
    oldest: int | None = None
    newest: int | None = None
    differing: int = 0
    differences: list[list[str]] = []
    staying: list[Stays] = []
    releasing: bool = False


async def set_state(call: Call[None, StateAsked]) -> Answer[StateNow]:
    """Park a postback, or release what it keeps; a release without `confirm` only says what that is.

    With `confirm` the answer is 202 and the release goes on; asked again without it, `kept` says how many
    are left. Stopped half-way it can be begun again; it stops by itself when the receiver refuses us again.
    """
    asked, web, by = call.body, call.web, f"web@{call.web.settings.worker}"
    now = StateNow(asked.flow_id, asked.postback_id, asked.state)
    if asked.state == "parked":
        try:
            state = await park(web, asked.flow_id, asked.postback_id, asked.why, by)
        except NoPostback as fault:
            raise Problem(404, str(fault)) from None
        now.why, now.since, now.by = state.why, state.since, state.by
        return Answer(now)
    shelved = await look(web, asked.flow_id, asked.postback_id, rerender=asked.rerender)
    if shelved.state is not None:
        now.state, now.why = shelved.state.state, shelved.state.why
        now.since, now.by = shelved.state.since, shelved.state.by
    else:
        now.state = "active"
    for name in ("kept", "overdue", "oldest", "newest", "differing", "differences"):
        setattr(now, name, getattr(shelved, name))
    now.staying = [Stays(*fault) for fault in shelved.staying]
    if asked.confirm and (now.state == "parked" or now.kept):
        start_release(
            web,
            asked.flow_id,
            asked.postback_id,
            rate_per_s=asked.rate_per_s,
            by=by,
            rerender=asked.rerender,
        )
    running = release_of(web, asked.flow_id, asked.postback_id)
    now.releasing = running is not None and not running.is_over
    return Answer(now, 202 if asked.confirm and now.releasing else 200)
