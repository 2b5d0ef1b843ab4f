"""Read when a postback is sent: its delay, its waits, how often and how long it is tried."""

from __future__ import annotations

from typing import Any

from app.flows import fault as read
from app.flows.fault import refuse, within
from app.flows.written import MAX_ATTEMPTS, MAX_DEADLINE_S, MAX_WAIT_S, MAX_WAITS, RetryConfig

_KEYS = RetryConfig.__struct_encode_fields__


def read_retry(value: object, place: str) -> dict[str, Any]:
    """The keys of `retry` that are told, as fields of `Postback`. Raises `FlowFault`."""
    told = read.members(value, place, _KEYS)
    found: dict[str, Any] = {}
    if "max_attempts" in told:
        at = within(place, "max_attempts")
        found["max_attempts"] = read.whole(told["max_attempts"], at, 1, MAX_ATTEMPTS)
    if "deadline_s" in told:
        at = within(place, "deadline_s")
        found["deadline_s"] = read.number(told["deadline_s"], at, 0, MAX_DEADLINE_S, " seconds")
        if found["deadline_s"] == 0:
            refuse(at, "0 leaves no time for even one attempt")
    if "waits_s" in told:
        found["waits_s"] = _waits(told["waits_s"], within(place, "waits_s"))
    return found


def read_delay(value: object, place: str) -> float:
    """`delay_s`. Raises `FlowFault`."""
    return read.number(value, place, 0, MAX_WAIT_S, " seconds")


def _waits(value: object, place: str) -> tuple[float, ...]:
    told = read.items(value, place)
    if len(told) > MAX_WAITS:
        refuse(
            place, f"{len(told)} waits, over the limit of {MAX_WAITS}; beyond the end the last one repeats"
        )
    return tuple(
        read.number(wait, f"{place}[{index}]", 1, MAX_WAIT_S, " seconds") for index, wait in enumerate(told)
    )
