"""Park postbacks and release what they keep, for the API and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from app.flows.config import FlowFault, parse
from app.kit.logs import logger
from app.messages.request import Request
from app.messages.state import PostbackState, key_of
from app.outbound.kept import Kept, release_order
from app.outbound.policy import overdue
from app.outbound.release import ParkedPostback, Progress, Release
from app.queries.rerender import Fault, Rerender
from app.web.context import Web

_CHUNK = 500


class NoPostback(Exception):
    """There is no such postback to park; the text says what there is."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """What a postback keeps: its state, how many, how many are past their deadline, the oldest and newest.

    `requested_at` are Unix milliseconds; with a rerendering, what it would change and what would stay.
    """

    state: PostbackState | None
    kept: int
    overdue: int
    oldest: int | None
    newest: int | None
    differing: int = 0
    differences: list[list[str]] = field(default_factory=list)
    staying: list[Fault] = field(default_factory=list)


async def park(web: Web, flow_id: str, postback_id: str, why: str) -> PostbackState:
    """Park a postback, unless it is; returns when Kafka has its state. Raises `NoPostback`, `KafkaError`."""
    key = key_of(flow_id, postback_id)
    known = web.states.get(key)
    if known is not None and known.state.state == "parked":
        return known.state
    _need_postback(web, flow_id, postback_id)
    state = PostbackState("parked", why, web.now_ms(), _who(web))
    topic = web.settings.topics.postback_states.name
    await web.write(topic, key, msgspec.json.encode(state), web.states)
    return state


async def look(web: Web, flow_id: str, postback_id: str, *, rerender: bool) -> Shelved:
    """What a postback keeps now. Raises `KafkaError`, `ClickHouseError`."""
    rewrite = await rerender_for(web) if rerender else None
    async with _opened(web, flow_id, postback_id) as parked:
        kept = release_order(parked.shelf.kept.values())
        for at in range(0, len(kept) if rewrite else 0, _CHUNK):
            assert rewrite is not None
            await rewrite(kept[at : at + _CHUNK])
        return Shelved(
            parked.state.state if parked.state else None,
            len(kept),
            sum(overdue(one.request, web.now_ms()) is not None for one in kept),
            kept[0].requested_at if kept else None,
            kept[-1].requested_at if kept else None,
            *((rewrite.differing, rewrite.differences, rewrite.faults) if rewrite else ()),
        )


def is_releasing(web: Web, flow_id: str, postback_id: str) -> bool:
    """Whether this worker releases it now."""
    return key_of(flow_id, postback_id) in web.releases


async def start_release(
    web: Web, flow_id: str, postback_id: str, *, rate_per_s: float, rerender: bool
) -> None:
    """Begin to let go what is kept, oldest first; when nothing is left the postback is active.

    It goes on after this returns; a stop of the worker ends it half-way, and it may be begun again. How it
    ended is in the log, and in the postback's state. Nothing happens while one of the same runs here.
    """
    key = key_of(flow_id, postback_id)
    if key not in web.releases:
        rewrite = await rerender_for(web) if rerender else None
        web.releases[key] = web.go_on_with(_release(web, key, flow_id, postback_id, rate_per_s, rewrite))


async def _release(
    web: Web, key: str, flow_id: str, postback_id: str, rate_per_s: float, rewrite: Rerender | None
) -> None:
    try:
        async with _opened(web, flow_id, postback_id) as parked:
            run = Release(
                parked, rate_per_s=rate_per_s, by=_who(web), rewrite=rewrite or _as_kept, tell=_nothing
            )
            done = await run.run()
        anew = done.parked_anew.told() if done.parked_anew else ""
        logger().info(
            "released",
            flow=flow_id,
            postback=postback_id,
            released=done.released,
            stay=done.stay,
            parked=anew,
        )
    except asyncio.CancelledError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        logger().error(
            "a release ended half-way: start it again", flow=flow_id, postback=postback_id, reason=reason
        )
    finally:
        web.releases.pop(key, None)


def _opened(web: Web, flow_id: str, postback_id: str) -> ParkedPostback:
    return ParkedPostback(web.settings, flow_id, postback_id)


def _need_postback(web: Web, flow_id: str, postback_id: str) -> None:
    stored = web.flows.get(flow_id)
    if stored is None:
        raise NoPostback(f"there is no flow {flow_id!r}")
    try:
        known = [one.id for one in parse(stored.config).postbacks]
    except FlowFault:
        return  # in a broken flow any may be one
    if postback_id not in known:
        raise NoPostback(
            f"flow {flow_id} has no postback {postback_id!r}, it has {', '.join(known) or 'none'}"
        )


async def rerender_for(web: Web) -> Rerender:
    """Renders requests by the flows as they are now. Raises `ClickHouseFault`."""
    flows = {}
    for key, stored in web.flows.items():
        try:
            flows[key] = parse(stored.config, version=stored.version)
        except FlowFault:
            continue  # a broken flow renders nothing; its requests are named
    return Rerender(web.settings, flows, web.secrets, await web.clickhouse(), max_execution_s=60.0)


async def _as_kept(kept: Sequence[Kept]) -> list[Request | None]:
    return [one.request for one in kept]


def _nothing(progress: Progress) -> None:
    """Nobody looks at how far it is: what is kept says so."""


def _who(web: Web) -> str:
    return f"web@{web.settings.worker}"
