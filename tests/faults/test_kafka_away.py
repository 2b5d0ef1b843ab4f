"""Kafka goes away for good: a worker ends when it is told to, a file that is sent says how much arrived."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from app.settings import load
from app.stream.migrate import migrate_topics
from tests.clickhouse import Database
from tests.kafka import start_kafka
from tests.kafka_settings import environ_for
from tests.receivers import Receiver, answer
from tests.shell import Shell
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


async def test_a_file_that_is_sent_while_kafka_dies_says_how_much_of_it_kafka_has(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("kafka")
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = await asyncio.to_thread(start_kafka, folder)
    try:
        shell = Shell(tmp_path, environ_for(broker, tmp_path / "data"))
        await migrate_topics(load(shell.environ))
        padding = "x" * 2_000
        events = lead_events([f"L-{n}" for n in range(100_000)])
        with (tmp_path / "events.jsonl").open("w") as file:
            file.writelines(json.dumps({**event, "reason": padding}) + "\n" for event in events)
        out = tmp_path / "out"
        sending = shell.start("leads", "send", "events.jsonl", "--json", out=out)
        try:
            await until(lambda: out.read_bytes().count(b"\n") > 100, lambda: out.read_text()[:1000])
            broker.kill()
            assert await asyncio.to_thread(sending.wait, 120) == 1
        finally:
            sending.kill()
    finally:
        broker.kill()
    *acked, told = out.read_text().splitlines()
    assert told.startswith(
        f"postbacks: Kafka at {broker.bootstrap} (POSTBACKS_KAFKA): it does not answer any more; "
    )
    assert f"it has {len(acked)} of 100000 events, send the file again" in told
    assert 100 < len(acked) < 100_000
