"""The requests that a replay is about, and what each is sent as: its bytes of then, or rendered anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from app.flows.verdict import Then
from app.join.again import Wanted
from app.messages.record import Address
from app.messages.request import Request
from app.outbound.policy import overdue
from app.outbound.replay import Original, Replays, numbered
from app.queries.filters import Filters
from app.queries.replay import Replayable, find_replayable
from app.queries.rerender import Rerender, ToRender
from app.settings import Settings

VERDICTS = (*get_args(Then), "blocked")
_CHUNK = 500
_NEVER = Original(None, "it was never rendered")
_BY_ITSELF = ("failed", "blocked")
"""What is sent again when neither ids nor outcomes are named."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which requests: all must hold, empty asks for nothing."""

    filters: Filters
    ids: tuple[str, ...]
    verdicts: tuple[str, ...]


@dataclass
class Looked:
    """What a look at the chosen requests found; `faults` counts why some cannot be sent."""

    sendable: int = 0
    overdue: int = 0
    faults: Counter[str] = field(default_factory=Counter)


async def find(
    client: Any, settings: Settings, asked: Chosen, *, max_execution_s: float | None = None
) -> list[Replayable]:
    """The chosen requests, oldest first. Raises as `find_replayable`."""
    filters = asked.filters
    if not asked.ids and not filters.outcomes and not asked.verdicts:
        filters = replace(filters, outcomes=_BY_ITSELF)
    return await find_replayable(
        client,
        filters,
        requests_topic=settings.topics.requests.name,
        request_ids=asked.ids,
        verdicts=asked.verdicts,
        max_execution_s=max_execution_s,
    )


async def look(
    chosen: Sequence[Replayable], replays: Replays, rewrite: Rerender | None, now_ms: int
) -> Looked:
    """What would come of them; nothing is sent."""
    looked = Looked()
    async for requests in requests_again(chosen, replays, rewrite, looked.faults):
        looked.sendable += len(requests)
        looked.overdue += sum(overdue(request, now_ms) is not None for _, request in requests)
    return looked


async def requests_again(
    chosen: Sequence[Replayable], replays: Replays, rewrite: Rerender | None, faults: Counter[str]
) -> AsyncIterator[list[tuple[int, Request]]]:
    """The requests as they will be sent, with their partitions, some at a time; `faults` takes the others."""
    for at in range(0, len(chosen), _CHUNK):
        chunk = chosen[at : at + _CHUNK]
        originals = await replays.originals([_address(one) for one in chunk if one.offset >= 0])
        before = [originals.get(_address(one), _NEVER) for one in chunk]
        if rewrite is None:
            found = [original.request for original in before]
            faults.update(f"{o.reason}: --rerender makes it anew" for o in before if o.reason)
        else:
            known = len(rewrite.faults)
            pairs = zip(chunk, before, strict=True)
            found = await rewrite.render(
                [ToRender(one.request_id, _wanted(one), one.partition, o.request) for one, o in pairs]
            )
            faults.update(fault.reason for fault in rewrite.faults[known:])
        yield [
            (one.partition, numbered(request, one.replay + 1))
            for one, request in zip(chunk, found, strict=True)
            if request is not None
        ]


def _address(one: Replayable) -> Address:
    return Address(one.partition, one.offset, one.index)


def _wanted(one: Replayable) -> Wanted:
    return Wanted(one.lead_id, one.event_id, one.lead_seq, one.flow_id, one.postback_id, one.event)
