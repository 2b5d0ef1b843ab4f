"""A token server is away, then refuses our key: requests wait and are kept, and all arrive in the end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import answer
from tests.shell import Shell
from tests.token_server import TokenServer, key
from tests.workers import installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]


def _put(file: Path, content: str) -> None:
    """Change a file at once, as Kubernetes does."""
    new = file.with_name(".new")
    new.write_text(content)
    os.replace(new, file)


async def test_no_request_is_lost_to_a_token_server(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    async with installation(kafka, clickhouse, tmp_path) as made, TokenServer() as server:
        credential = secrets / "google"
        _put(credential, server.service_account())
        postback = {
            "id": "fb",
            "on": ["new"],
            "template": server.url("/v1/?lead={id}"),
            "headers": {"Authorization": "Bearer {secret.google}"},
            "retry": {"waits_s": [1], "max_attempts": 60},
        }
        await made.apply({"flow_id": "F-1", "postbacks": [postback]})
        server.instead = answer(503)
        worker = await made.start(POSTBACKS_SECRETS_DIR=str(secrets)).ready()

        async def rows(where: str, count: int) -> list[tuple[str, ...]]:
            found = await until(
                lambda: made.rows("DISTINCT lead_id, verdict, rule", f"outcome = {where}", "lead_id", count),
                lambda: f"{count} rows {where} {worker.tail()}",
            )
            return [tuple(row) for row in found]

        await made.send(*lead_events(["L-1"]))
        assert await rows("'retrying'", 1) == [("L-1", "retry", "default: token")]
        server.instead = None
        assert await rows("'delivered'", 1) == [("L-1", "ok", "default: 2xx")]

        _put(credential, server.service_account("k2"))  # of which the server knows nothing yet
        leads = [f"L-{number}" for number in range(2, 12)]

        async def parks() -> bool:
            return worker.metric("postbacks_parked_postbacks") == 1

        await made.send(*lead_events(leads))
        await until(parks, lambda: worker.tail())
        log = worker.log.read_text()
        assert "invalid_grant: Invalid JWT Signature." in log
        assert [value for value in (*server.given, "PRIVATE KEY") if value in log] == []

        server.keys["k3"] = key("k3")[1]
        _put(credential, server.service_account("k3"))
        shell = Shell(tmp_path, made.environ)
        done = await asyncio.to_thread(shell.run, "release", "F-1", "fb", "--yes")
        assert done.returncode == 0, done.stderr
        await rows("'delivered'", 11)
        assert await worker.stop() == 0, worker.tail()
        shown = str(await clickhouse.rows("SELECT * FROM postback_log"))
        assert [value for value in (*server.given, "PRIVATE KEY") if value in shown] == []
