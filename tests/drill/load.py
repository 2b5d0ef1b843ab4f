"""Leads at a steady rate, and what must arrive for them: computed from the events alone."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.workers import Installation

_STEP_S = 0.02


@dataclass
class Load:
    """What was produced: the body that each event must make arrive, and when it was produced."""

    sent_at: dict[str, float] = field(default_factory=dict)

    @property
    def expected(self) -> set[str]:
        """The bodies that must arrive."""
        return set(self.sent_at)


def flow(link: str, flow_id: str = "F-1", **more: Any) -> dict[str, Any]:
    """A flow whose postback sends lead and status as the body, which is the event's id."""
    postback = {"id": "p", "on": ["new", "approve"], "template": f"{link}|POST|{{id}}.{{status}}"}
    return {"flow_id": flow_id, "postbacks": [postback | more]}


async def lead_events_at(
    made: Installation, per_s: float, seconds: float, load: Load, prefix: str = "L", flow_id: str = "F-1"
) -> None:
    """Produce `per_s` events a second for `seconds`: each lead is new, and approved a second later."""
    began = time.perf_counter()
    most = round(per_s * seconds)
    delay = max(1, round(per_s / 2))
    acks = []
    for number in range(most):
        due = began + number / per_s
        if (ahead := due - time.perf_counter()) > _STEP_S:
            await asyncio.sleep(ahead)
        turn, approves = divmod(number, 2)
        lead = turn - delay if approves else turn
        if lead >= 0:
            acks.append(
                await _produce(made, f"{prefix}-{lead}", "approve" if approves else "new", load, flow_id)
            )
    await asyncio.gather(*acks)


async def _produce(made: Installation, lead: str, status: str, load: Load, flow_id: str) -> Any:
    event = {"event_id": f"{lead}.{status}", "lead_id": lead, "flow_id": flow_id, "status": status}
    load.sent_at[event["event_id"]] = time.perf_counter()
    topic = made.settings.topics.lead_events.name
    return await made.producer.send(topic, json.dumps(event).encode(), key=lead.encode())
