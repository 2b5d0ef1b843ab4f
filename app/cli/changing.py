"""Add postbacks to a flow in Kafka: shown as it would be, then asked, and nobody's edit overwritten."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from app.cli.ending import confirm, fail, run_async, settings_told
from app.cli.flows import read_flows, secrets_here, write_flows
from app.cli.printing import print_json, printable
from app.flows.config import FlowFault, parse
from app.flows.layout import written
from app.kit.clock import today
from app.presets.expiry import lint
from app.presets.fill import Added
from app.settings import Settings

Change = Callable[[dict[str, Any]], Added]
Stored = tuple[bytes, int] | None
"""A flow's config and its version; None for a flow that is not there."""


def change_flow(
    flow_id: str, change: Change, say: Callable[[], None] = lambda: None, *, yes: bool, as_json: bool
) -> None:
    """Write what `change` makes of the flow (a new one where there is none), once the person said yes.

    What is doubtful about the config as it would be is said before, and what else `say` has to. A config that
    cannot be, or a flow that somebody else changed meanwhile, ends the command; then nothing is written.
    """

    async def work(settings: Settings) -> dict[str, Any]:
        before = (await read_flows(settings)).get(flow_id)
        added, config = _changed(flow_id, change, before)
        say()
        for warning in lint(config, secrets_here(), today()):
            print(f"postbacks: warning: {warning.place}: {printable(warning.text)}", file=sys.stderr)
        if not as_json:
            print(config.decode())
            sys.stdout.flush()
        what = "a new flow" if before is None else f"version {before[1]}"
        confirm(f"Write flow {flow_id} ({what}) with {', '.join(added.postbacks)}?", yes=yes)
        now = (await read_flows(settings)).get(flow_id)
        if (now and now[1]) != (before and before[1]):
            fail(f"flow {flow_id} was changed by somebody else meanwhile, nothing was written: run it again")
        versions = await write_flows(settings, {flow_id: config})
        return {"flow_id": flow_id, "version": versions[flow_id], "postbacks": list(added.postbacks)}

    done = run_async(settings_told(), work)
    if as_json:
        print_json([done])
    else:
        print(f"flow {flow_id} applied", file=sys.stderr)


def _changed(flow_id: str, change: Change, before: Stored) -> tuple[Added, bytes]:
    """The flow's config with the change in it; what cannot be is the end of the command, with status 2."""
    text = '{\n  "flow_id": ""\n}' if before is None else before[0].decode()
    try:
        if before is not None:
            parse(before[0])
        added = change({"flow_id": flow_id} if before is None else json.loads(text))
        config = written(added.config, text).encode()
        parse(config)
    except FlowFault as fault:
        fail(f"flow {flow_id}: {fault}", status=2)
    return added, config
