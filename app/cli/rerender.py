"""Requests rendered anew, as the commands use it: by the flows in Kafka, and what differs is told."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

from app.cli.clickhouse import MAX_EXECUTION_S
from app.cli.flows import read_flows
from app.cli.printing import console, visible
from app.flows.config import FlowFault, parse
from app.flows.flow import Flow
from app.kit.secrets import Secrets
from app.log.writer import connect
from app.queries.rerender import Rerender
from app.settings import Settings, environment


def print_differences(rewrite: Rerender, total: int) -> None:
    """Say how many of `total` requests differ now, and show the first few differences."""
    out = console()
    out.print(f"rendered anew: {rewrite.differing} of {total} differ")
    for line in (line for difference in rewrite.differences for line in difference):
        out.print(f"  {visible(line)}", soft_wrap=True)


def parsed(flow_id: str, config: bytes, version: int) -> Flow | None:
    """The flow; None for a broken one, which is named."""
    try:
        return parse(config, version=version)
    except FlowFault as fault:
        print(f"postbacks: warning: flow {flow_id} cannot be read: {fault}", file=sys.stderr)
        return None


async def rerender_for(settings: Settings, stack: AsyncExitStack) -> Rerender:
    """Renders by the flows that Kafka has now; `stack` closes what it needs. Raises `KafkaError`."""
    client = await connect(settings.clickhouse)
    stack.push_async_callback(client.close)
    configs = await read_flows(settings)
    flows = {key: flow for key, kept in configs.items() if (flow := parsed(key, *kept)) is not None}
    secrets = Secrets(environment(), settings.secrets_dir)
    return Rerender(settings, flows, secrets, client, max_execution_s=MAX_EXECUTION_S)
