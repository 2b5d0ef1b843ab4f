"""Park postbacks and release what they keep, for the API and the pages.

A release runs on in this worker after its request was answered. It may be ended at any point, with the worker
too, and run again: what is left in Kafka is what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.flows.config import FlowFault, parse
from app.kit.logs import logger
from app.log.refusal import shortened
from app.log.writer import ClickHouseFault
from app.messages.request import Request
from app.messages.state import PostbackState, key_of
from app.outbound.kept import Kept, release_order
from app.outbound.policy import overdue
from app.outbound.release import ParkedPostback, Progress, Release, Rewrite
from app.queries.rerender import Fault, Rerender
from app.web.context import Web
from app.web.running import Running
from app.web.texts import say

RERENDER_S = 60.0
"""How long ClickHouse may work on one question of a rendering anew, wherever it was asked for."""
_CHUNK = 500


class NoPostback(Exception):
    """There is no such postback to park; `known` are those of its flow, None where there is no flow."""

    def __init__(self, flow_id: str, postback_id: str, known: Sequence[str] | None) -> None:
        super().__init__(
            f"there is no flow {flow_id!r}"
            if known is None
            else f"flow {flow_id} has no postback {postback_id!r}, it has {', '.join(known) or 'none'}"
        )
        self.known = known


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


async def park(web: Web, flow_id: str, postback_id: str, why: str, by: str) -> PostbackState:
    """Park a postback, unless it is; returns when Kafka has its state. Raises `NoPostback`, `KafkaError`."""
    key = key_of(flow_id, postback_id)
    known = web.states.get(key)
    if known is not None and known.state.state == "parked":
        return known.state
    need_postback(web, flow_id, postback_id)
    state = PostbackState("parked", why, web.now_ms(), by)
    topic = web.settings.topics.postback_states.name
    await web.write(topic, key, msgspec.json.encode(state), web.states)
    return state


async def look(web: Web, flow_id: str, postback_id: str, *, rerender: bool) -> Shelved:
    """What a postback keeps now. Raises `KafkaError`, `ClickHouseError`."""
    async with ParkedPostback(web.settings, flow_id, postback_id) as parked:
        kept = release_order(parked.shelf.kept.values())
        anew = await rendered_anew(web, kept) if rerender else None
        return Shelved(
            parked.state.state if parked.state else None,
            len(kept),
            overdue_in(web, kept),
            kept[0].requested_at if kept else None,
            kept[-1].requested_at if kept else None,
            *((anew.differing, anew.differences, anew.faults) if anew else ()),
        )


def overdue_in(web: Web, kept: Sequence[Kept]) -> int:
    """How many of these are past their deadline."""
    return sum(overdue(one.request, web.now_ms()) is not None for one in kept)


async def rendered_anew(web: Web, kept: Sequence[Kept]) -> Rerender:
    """What rendering these anew would change. Raises `ClickHouseFault`, `ClickHouseError`."""
    rewrite = await rerender_for(web)
    for at in range(0, len(kept), _CHUNK):
        await rewrite(kept[at : at + _CHUNK])
    return rewrite


def release_of(web: Web, flow_id: str, postback_id: str) -> Running | None:
    """The release of a postback that runs here, or ran last."""
    return web.releases.get(key_of(flow_id, postback_id))


def start_release(
    web: Web, flow_id: str, postback_id: str, *, rate_per_s: float, by: str, rerender: bool
) -> None:
    """Begin to let go what is kept, oldest first; when nothing is left the postback is active.

    It goes on after this returns, and `release_of` says how far it is; nothing happens while one runs here.
    One that runs in another worker is not seen: both let go the same, and OUTBOUND sends each once.
    """
    running = release_of(web, flow_id, postback_id)
    if running is None or running.is_over:
        begun = web.releases[key_of(flow_id, postback_id)] = Running(0, rate_per_s)
        web.go_on_with(_release(web, flow_id, postback_id, begun, by, rerender))


async def _release(
    web: Web, flow_id: str, postback_id: str, running: Running, by: str, rerender: bool
) -> None:
    """Run a release to its end; what ends it is told where it is looked at, and in the log."""

    def tell(progress: Progress) -> None:
        running.progress = progress

    half_way = "a release ended half-way: start it again"
    try:
        rewrite: Rewrite = _as_kept
        if rerender:
            rewrite = await rerender_for(web)
        async with ParkedPostback(web.settings, flow_id, postback_id) as parked:
            running.total = len(parked.shelf.kept)
            run = Release(parked, rate_per_s=running.rate_per_s, by=by, rewrite=rewrite, tell=tell)
            done = running.done = await run.run()
    except (KafkaError, ClickHouseError, ClickHouseFault) as error:
        running.fault = shortened(str(error)) or type(error).__name__
        logger().error(half_way, flow=flow_id, postback=postback_id, reason=running.fault)
    except Exception as error:
        running.fault = say("parked.mistake")
        logger().error(half_way, flow=flow_id, postback=postback_id, exc_info=error)
    else:
        anew = done.parked_anew.told() if done.parked_anew else ""
        logger().info(
            "released",
            flow=flow_id,
            postback=postback_id,
            released=done.released,
            stay=done.stay,
            parked=anew,
        )


def need_postback(web: Web, flow_id: str, postback_id: str) -> None:
    """Raises `NoPostback` where there is none of these names; in a broken flow any may be one."""
    stored = web.flows.get(flow_id)
    if stored is None:
        raise NoPostback(flow_id, postback_id, None)
    try:
        known = [one.id for one in parse(stored.config).postbacks]
    except FlowFault:
        return
    if postback_id not in known:
        raise NoPostback(flow_id, postback_id, known)


async def rerender_for(web: Web) -> Rerender:
    """Renders requests by the flows as they are now. Raises `ClickHouseFault`."""
    flows = {}
    for key, stored in web.flows.items():
        try:
            flows[key] = parse(stored.config, version=stored.version)
        except FlowFault:
            continue  # a broken flow renders nothing; its requests are named
    client = await web.clickhouse()
    return Rerender(web.settings, flows, web.secrets, client, max_execution_s=RERENDER_S)


async def _as_kept(kept: Sequence[Kept]) -> list[Request | None]:
    return [one.request for one in kept]
