"""Which flows and postbacks there are, and which of them are parked. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from app.flows.config import FlowFault, parse
from app.messages.state import PostbackState
from app.outbound.parking import KnownState, parked_in


def postbacks_of(configs: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The ids of each flow's postbacks; none of a flow whose config cannot be read."""
    return {flow_id: _ids(config) for flow_id, config in configs.items()}


def parked_by_flow(states: Mapping[str, KnownState]) -> dict[str, dict[str, PostbackState]]:
    """The states of each flow's parked postbacks, by their ids."""
    found: dict[str, dict[str, PostbackState]] = {}
    for (flow_id, postback_id), state in parked_in(states).items():
        found.setdefault(flow_id, {})[postback_id] = state
    return found


def _ids(config: bytes) -> list[str]:
    try:
        return [postback.id for postback in parse(config).postbacks]
    except FlowFault:
        return []
