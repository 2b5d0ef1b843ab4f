"""When answers park a postback, and which requests a parked one keeps. Pure.

`auth` parks after three such answers in a row with no other between, `stop` at once. Each worker counts the
answers that it gets itself; what is no answer (a time-out, no connection) neither counts nor begins anew. An
access token that is refused counts once, for however many requests, and so does each refusal of a credential
by its token server; an outdated token is no answer. A request that is refused by `auth` or `stop` while its
postback is parked already is kept at once.

A released request names the state that it was let go from, by its offset. It is sent while that state is the
newest; once the postback is parked anew, those still on their way are kept again instead of being refused one
by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.messages.request import Request
from app.messages.state import Postback, PostbackState
from app.messages.state import postback_of as postback_named
from app.outbound.answers import Answer, Failure
from app.outbound.policy import Exhausted, Parked, RetryAt, Step
from app.outbound.verdict import Meaning

AUTH_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class KnownState:
    """A postback's newest state and the offset of its record in `postback-states`."""

    state: PostbackState
    offset: int


def postback_of(request: Request) -> Postback:
    """The postback that a request belongs to."""
    return request.origin.flow_id, request.origin.postback_id


def parked_in(states: Mapping[str, KnownState]) -> dict[Postback, PostbackState]:
    """Those of the states, by their records' keys, that are of parked postbacks: whoever parked them."""
    return {
        postback: known.state
        for key, known in states.items()
        if known.state.state == "parked" and (postback := postback_named(key)) is not None
    }


def why_kept(request: Request, known: KnownState | None) -> str | None:
    """Why `request` is kept and not sent; None when it is sent. `known` is its postback's state."""
    if known is None or known.state.state != "parked" or request.released >= known.offset:
        return None
    return known.state.told()


def kept_instead(step: Step, reason: str) -> Step:
    """What follows a send whose postback is parked: what would come again is kept, also where its next turn
    would be past the deadline, which is looked at before it is sent."""
    if isinstance(step, RetryAt) or (isinstance(step, Exhausted) and step.limit == "deadline"):
        return Parked(reason)
    return step


class Refusals:
    """The `auth` answers in a row of each postback, and which refusal of a token was counted last."""

    def __init__(self) -> None:
        self._in_a_row: dict[Postback, tuple[int, int | None]] = {}

    def why_parked(
        self, postback: Postback, verdict: Meaning, outcome: Answer | Failure, *, parked: bool
    ) -> str | None:
        """Count the verdict on an outcome; why it parks its postback, None when it does not.

        `parked`: the postback is parked already.
        """
        if verdict == "stop":
            self._in_a_row.pop(postback, None)
            return "the receiver asked us to stop"
        if verdict != "auth":
            if _is_answered(outcome):
                self._in_a_row.pop(postback, None)
            return None
        if parked:
            return "refused while parked"
        counted, last = self._in_a_row.get(postback, (0, None))
        if outcome.refusal is not None and outcome.refusal == last:
            return None
        if counted + 1 < AUTH_IN_A_ROW:
            self._in_a_row[postback] = counted + 1, outcome.refusal
            return None
        self._in_a_row.pop(postback, None)
        return f"{AUTH_IN_A_ROW} refusals in a row"


def _is_answered(outcome: Answer | Failure) -> bool:
    """Whether a receiver said something of the request, and not of an outdated token."""
    return isinstance(outcome, Answer) or (outcome.answer is not None and outcome.kind != "token")
