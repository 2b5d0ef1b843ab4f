"""`/api/flows`: configs read, saved, deleted; an ETag is the version, the offset of the flow's record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.flows.config import FlowFault, parse_record
from app.kit.clock import day_of
from app.messages.state import PostbackState
from app.presets.expiry import lint
from app.web.api.call import Answer, Call, refused
from app.web.api.tokens import without_tokens
from app.web.context import StoredFlow
from app.web.names import parked_by_flow
from app.web.problem import Problem
from app.web.saving import Conflict, Expected, delete_flow, save_flow

_ETAG = re.compile(r'"(\d{1,18})"')


class Warned(Struct):
    """A doubt about a config: the path of the value, and what to do about it."""

    place: str
    text: str


class Parked(Struct):
    """A postback whose requests are kept: why, since when (Unix milliseconds), and by whom."""

    postback_id: str
    why: str
    since: int
    by: str


class FlowListed(Struct):
    """A flow: its postbacks' ids, those that are parked, and `fault` when its config cannot be read."""

    flow_id: str
    name: str
    version: int
    enabled: bool
    postbacks: list[str]
    parked: list[Parked]
    fault: str | None = None


class Flows(Struct):
    """All flows, by id."""

    data: list[FlowListed]


class FlowShown(Struct):
    """A flow's config as it was written; viewers see no tokens in it."""

    flow_id: str
    version: int
    config: Any
    warnings: list[Warned]
    parked: list[Parked]
    fault: str | None = None


class FlowSaved(Struct):
    """The version that was saved, and what its author should hear about it."""

    flow_id: str
    version: int
    warnings: list[Warned]
    created: bool | UnsetType = UNSET


async def list_flows(call: Call[None, None]) -> Answer[Flows]:
    """List the flows."""
    parked = parked_by_flow(call.web.states)
    return Answer(
        Flows([_listed(key, call.web.flows[key], parked.get(key, {})) for key in sorted(call.web.flows)])
    )


async def show_flow(call: Call[None, None]) -> Answer[FlowShown]:
    """Show a flow's config; its ETag is for the If-Match of the next PUT."""
    flow_id = call.name("flow_id")
    stored = call.web.flows.get(flow_id)
    if stored is None:
        raise Problem(404, f"there is no flow {flow_id!r}")
    config, fault, warnings = _config(stored.config), None, []
    try:
        parse_record(flow_id, stored.config)
        today = day_of(call.web.now_ms())
        warnings = [Warned(one.place, one.text) for one in lint(stored.config, call.web.secrets, today)]
    except FlowFault as found:
        fault = str(found)
    if not call.asker.may("editor"):
        config = without_tokens(config)
    parked = _parked(parked_by_flow(call.web.states).get(flow_id, {}))
    shown = FlowShown(flow_id, stored.version, config, warnings, parked, fault)
    return Answer(shown, headers={"ETag": f'"{stored.version}"'})


async def put_flow(call: Call[None, bytes]) -> Answer[FlowSaved]:
    """Save a flow, in either form of a config; it is kept as it is written, and live within a second.

    With If-Match an edit that somebody else made first is not overwritten (412); If-None-Match: * only
    makes a new flow.
    """
    flow_id = call.name("flow_id")
    try:
        saved = await save_flow(call.web, flow_id, call.body.strip(), _expected(call.request.headers))
    except FlowFault as fault:
        raise refused(fault.place, fault.reason) from None
    except Conflict as conflict:
        raise _told(flow_id, conflict) from None
    warnings = [Warned(one.place, one.text) for one in saved.warnings]
    shown = FlowSaved(flow_id, saved.version, warnings, saved.is_new)
    return Answer(shown, 201 if saved.is_new else 200, {"ETag": f'"{saved.version}"'})


async def remove_flow(call: Call[None, None]) -> Answer[None]:
    """Delete a flow; flow *, if there is one, serves its leads then."""
    flow_id = call.name("flow_id")
    if flow_id not in call.web.flows:
        raise Problem(404, f"there is no flow {flow_id!r}")
    try:
        await delete_flow(call.web, flow_id, _expected(call.request.headers))
    except Conflict as conflict:
        raise _told(flow_id, conflict) from None
    return Answer(None, 204)


def _parked(states: Mapping[str, PostbackState]) -> list[Parked]:
    return [Parked(one, state.why, state.since, state.by) for one, state in sorted(states.items())]


def _listed(key: str, stored: StoredFlow, states: Mapping[str, PostbackState]) -> FlowListed:
    parked = _parked(states)
    try:
        flow = parse_record(key, stored.config)
    except FlowFault as fault:
        return FlowListed(key, key, stored.version, False, [], parked, str(fault))
    ids = [postback.id for postback in flow.postbacks]
    return FlowListed(key, flow.name, stored.version, flow.enabled, ids, parked)


def _config(config: bytes) -> Any:
    """The config as JSON; as text when somebody wrote what is none."""
    try:
        return msgspec.json.decode(config)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return config.decode("utf-8", "replace")


def _expected(headers: Mapping[str, str]) -> Expected:
    """What the conditional headers ask for (RFC 9110, section 13.1); no flow has an ETag of others."""
    if headers.get("If-None-Match", "").strip() == "*":
        return Expected(frozenset())
    told = headers.get("If-Match")
    if told is None:
        return Expected()
    if told.strip() == "*":
        return Expected(any_version=True)
    return Expected(frozenset(map(int, _ETAG.findall(told))) or frozenset((-1,)))


def _told(flow_id: str, conflict: Conflict) -> Problem:
    headers = {} if conflict.version is None else {"ETag": f'"{conflict.version}"'}
    return Problem(412, f"flow {flow_id!r} was changed by somebody else: {conflict}", headers=headers)
