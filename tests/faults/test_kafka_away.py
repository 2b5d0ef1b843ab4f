"""Kafka goes away for good while a worker runs: it ends when it is told to, whatever Faust waits for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.kafka import start_kafka
from tests.receivers import Receiver, answer
from tests.workers import installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]


async def test_a_worker_ends_when_told_to_though_kafka_never_comes_back(
    clickhouse: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("kafka")  # skips, or fails, where Apache Kafka cannot be had
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = await asyncio.to_thread(start_kafka, folder)
    try:
        async with (
            installation(broker, clickhouse, tmp_path, stop_timeout="1") as made,
            Receiver(answer(200)) as receiver,
        ):
            link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
            await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
            worker = await made.start().ready()
            await made.send(*lead_events(["L-1"]))
            await until(lambda: made.rows("lead_id", n=1), lambda: worker.tail())
            broker.kill()
            await asyncio.sleep(3)
            await worker.stop(60)
            assert worker.process.returncode is not None
            assert len(worker.log.read_bytes()) < 1_000_000
    finally:
        broker.kill()
