"""Which flows and postbacks there are, by their configs as they were written. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from app.flows.config import FlowFault, parse


def postbacks_of(configs: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The ids of each flow's postbacks; none of a flow whose config cannot be read."""
    return {flow_id: _ids(config) for flow_id, config in configs.items()}


def _ids(config: bytes) -> list[str]:
    try:
        return [postback.id for postback in parse(config).postbacks]
    except FlowFault:
        return []
