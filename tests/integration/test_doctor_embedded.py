"""The doctor over the embedded broker, which knows less of Kafka's protocol than Apache Kafka does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from app.embedded.broker import start
from tests.shell import Shell

pytestmark = [pytest.mark.chdb]


async def test_the_embedded_broker_is_looked_at_whole_and_is_fine(
    clickhouse_url: str, tmp_path: Path
) -> None:
    async with start() as (address, child):
        await child.listening()
        shell = Shell(
            tmp_path,
            {
                "POSTBACKS_KAFKA": address,
                "POSTBACKS_CLICKHOUSE": clickhouse_url,
                "POSTBACKS_PARTITIONS": "4",
            },
        )
        events = [
            {"event_id": f"e-{n}", "lead_id": f"L-{n}", "flow_id": "F-7", "status": "new"} for n in range(20)
        ]
        (tmp_path / "leads.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        flow = {"flow_id": "F-7", "postbacks": {"new": "https://track.er/?c={click}"}}
        shell.write("flow.json", flow)
        for command in ("migrate", "flows apply flow.json", "leads send leads.jsonl"):
            done = await asyncio.to_thread(shell.run, *command.split())
            assert done.returncode == 0, done
        done = await asyncio.to_thread(shell.run, "doctor", "--json")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    told = {finding["what"]: finding["level"] for finding in findings if finding["group"] != "workers"}
    assert set(told.values()) == {"ok"}, findings
    assert told["the newest 20 lead events: lead id as key, murmur2"] == "ok"
    [workers] = [finding for finding in findings if finding["group"] == "workers"]
    assert "20 records for join" in workers["what"]
