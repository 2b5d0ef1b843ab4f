"""What `park`, `release` and `discard` do: say what is kept, ask, do it, say what was done."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

from msgspec import structs

from app.cli.clickhouse import clickhouse_failures_told
from app.cli.ending import confirm, fail, run_async, settings_told
from app.cli.flows import read_flows
from app.cli.printing import console, print_json, visible
from app.cli.rerender import parsed, print_differences, rerender_for
from app.kit.clock import now_ms
from app.kit.secrets import Secrets
from app.messages.request import Request
from app.outbound.attempt import Rows
from app.outbound.kept import Kept, release_order
from app.outbound.policy import overdue
from app.outbound.release import ParkedPostback, Progress, Release, Released
from app.outbound.release import discard as discard_kept
from app.queries.rerender import Rerender
from app.settings import Settings
from app.stream.migrate import check_topics
from app.templates.names import nearest

_TELL_S = 5.0
_CHUNK = 500
_MOST_FAULTS = 10

Work = Callable[[ParkedPostback, Settings], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the three commands are asked alike."""

    flow_id: str
    postback_id: str
    yes: bool
    as_json: bool


def park(asked: Asked, why: str) -> None:
    """Turn the state to parked."""

    async def work(parked: ParkedPostback, settings: Settings) -> None:
        if parked.is_parked:
            return
        await _need_postback(settings, asked)
        confirm(f"Park {asked.flow_id} {asked.postback_id}?", yes=asked.yes)
        await parked.write_state("parked", why, _who(settings))
        _print_state(parked, asked)

    _run(asked, work)


def release(asked: Asked, rate_per_s: float, rerender: bool) -> None:
    """Let go what is kept, then turn the state to active."""

    async def work(parked: ParkedPostback, settings: Settings) -> None:
        count = len(parked.shelf.kept)
        if not parked.is_parked and not count:
            return
        async with AsyncExitStack() as stack:
            rewrite = await rerender_for(settings, stack) if rerender else None
            if rewrite is not None:
                await _preview(rewrite, parked, asked)
            takes_s = ceil(count / rate_per_s)
            confirm(f"Release {count} at {rate_per_s:g} a second, about {takes_s} s?", yes=asked.yes)
            run = Release(
                parked, rate_per_s=rate_per_s, by=_who(settings), rewrite=rewrite or _as_kept, tell=_Telling()
            )
            _print_released(await run.run(), asked)

    try:
        _run(asked, work)
    except KeyboardInterrupt:
        fail("stopped half-way: what was let go is sent, the rest is kept; run it again to go on")


def discard(asked: Asked) -> None:
    """Throw away what is kept now."""

    async def work(parked: ParkedPostback, settings: Settings) -> None:
        kept = release_order(parked.shelf.kept.values())
        if not kept:
            return
        confirm(f"Discard {len(kept)}? They are not sent.", yes=asked.yes)
        rows = Rows(settings.topics.parked.name, settings.worker, Secrets({}))
        reason = f"discarded by {_who(settings)}"
        await discard_kept(
            parked,
            kept,
            lambda request, source: rows.unsent(request, source, "discarded", reason, now_ms=now_ms()),
        )
        if asked.as_json:
            print_json([{**_ids(asked), "discarded": len(kept)}])
        else:
            print(f"{len(kept)} discarded")

    _run(asked, work)


def _run(asked: Asked, work: Work) -> None:
    """Say what the postback keeps, then do the work on it."""

    async def look_and_work(settings: Settings) -> None:
        topics = settings.topics
        await check_topics(settings, [topics.postback_states, topics.parked, topics.requests, topics.log])
        async with ParkedPostback(settings, asked.flow_id, asked.postback_id) as parked:
            _print_state(parked, asked)
            await work(parked, settings)

    settings = settings_told()
    with clickhouse_failures_told(settings.clickhouse):
        run_async(settings, look_and_work)


def _ids(asked: Asked) -> dict[str, Any]:
    return {"flow_id": asked.flow_id, "postback_id": asked.postback_id}


def _print_state(parked: ParkedPostback, asked: Asked) -> None:
    for place in parked.shelf.unreadable:
        print(f"postbacks: warning: postback-parked {place} cannot be read: it stays", file=sys.stderr)
    kept = release_order(parked.shelf.kept.values())
    late = sum(overdue(one.request, now_ms()) is not None for one in kept)
    known = parked.state
    if asked.as_json:
        state: dict[str, Any] = {"state": "active", "why": "", "since": None, "by": ""}
        if known is not None:
            state = {**structs.asdict(known.state), "since": _time(known.state.since)}
        ends = {"oldest": _row(kept[0]), "newest": _row(kept[-1])} if kept else {}
        print_json([{**_ids(asked), **state, "kept": len(kept), "overdue": late, **ends}])
        return
    told = known.state.told() if known is not None else "active"
    out = console()
    out.print(f"{visible(f'{asked.flow_id} {asked.postback_id}')} is {visible(told)}", soft_wrap=True)
    failing = f", {late} of them past their deadline: they will fail" if late else ""
    out.print(f"{len(kept)} requests are kept{failing}")
    for name, one in (("oldest", kept[0]), ("newest", kept[-1])) if kept else ():
        row = _row(one)
        out.print(
            f"{name}: {row['requested_at']:%Y-%m-%d %H:%M:%S}, lead {visible(one.lead_id)}, "
            f"{visible(row['event'])}, request {row['request_id']}",
            soft_wrap=True,
        )


def _row(kept: Kept) -> dict[str, Any]:
    request = kept.request
    return {
        "request_id": request.request_id,
        "lead_id": kept.lead_id,
        "lead_seq": kept.lead_seq,
        "event": request.origin.event,
        "requested_at": _time(kept.requested_at),
        "attempts": request.attempts,
    }


def _time(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


def _who(settings: Settings) -> str:
    try:
        return f"{getpass.getuser()}@{settings.worker}"
    except (KeyError, OSError):  # a container's user without a name
        return settings.worker


async def _need_postback(settings: Settings, asked: Asked) -> None:
    """End the command when there is no such postback to park; in a broken flow any may be one."""
    kept = (await read_flows(settings)).get(asked.flow_id)
    if kept is None:
        fail(f"there is no flow {asked.flow_id!r}; postbacks flows list names them")
    flow = parsed(asked.flow_id, *kept)
    known = [one.id for one in flow.postbacks] if flow is not None else [asked.postback_id]
    if asked.postback_id not in known:
        near = nearest(asked.postback_id, known) if known else "none"
        fail(f"flow {asked.flow_id} has no postback {asked.postback_id!r}; did you mean {near}?")


async def _preview(rewrite: Rerender, parked: ParkedPostback, asked: Asked) -> None:
    """Render everything that is kept, and say how it differs and what cannot be rendered."""
    kept = release_order(parked.shelf.kept.values())
    for at in range(0, len(kept), _CHUNK):
        await rewrite(kept[at : at + _CHUNK])
    if asked.as_json:
        faults = [fault._asdict() for fault in rewrite.faults]
        print_json([{"differing": rewrite.differing, "differences": rewrite.differences, "staying": faults}])
    else:
        out = console()
        print_differences(rewrite, len(kept))
        for fault in rewrite.faults[:_MOST_FAULTS]:
            text = f"request {fault.request_id}, lead {fault.lead_id} will stay: {fault.reason}"
            out.print(visible(text), soft_wrap=True)
        if (more := len(rewrite.faults) - _MOST_FAULTS) > 0:
            out.print(f"and {more} more will stay; --json names them all")


async def _as_kept(kept: Sequence[Kept]) -> list[Request | None]:
    return [one.request for one in kept]


class _Telling:
    """Says now and then on standard error how far a release is."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()
        self._told: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._told_s < _TELL_S:
            return
        before, self._told, self._told_s = self._told, progress, time.monotonic()
        waiting = f", {progress.untaken} not sent by a worker yet" if progress.untaken else ""
        faster = ""
        if before is not None and progress.kept > before.kept and progress.released > before.released:
            faster = ": more come in than are let go, a higher --rate would end"
        print(f"{progress.released} released{waiting}, {progress.kept} kept{faster}", file=sys.stderr)


def _print_released(done: Released, asked: Asked) -> None:
    postback, anew = f"{asked.flow_id} {asked.postback_id}", done.parked_anew
    if asked.as_json:
        state = "active" if anew is None else "parked"
        print_json([{**_ids(asked), "released": done.released, "stay": done.stay, "state": state}])
    else:
        print(f"{done.released} released")
    if anew is not None:
        fail(f"{postback} stays {anew.told()}; {done.stay} are kept: mend it and run it again")
    if done.stay:
        fail(
            f"{postback} is active, but {done.stay} could not be rendered anew and stay: release them "
            "as they are, without --rerender, or discard them"
        )
    if not asked.as_json:
        print(f"{postback} is active")
