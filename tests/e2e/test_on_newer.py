"""`on_newer: drop`: an older status is not sent any more once a newer one was delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer
from tests.workers import installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(120)]


class _AwayForNew:
    """Whoever comes with `new` for the first time is told to come again; everything else is taken."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    async def __call__(self, exchange: Exchange) -> None:
        target = exchange.received.target
        away = b"status=new" in target and target not in self._seen
        self._seen.add(target)
        await answer(503 if away else 200)(exchange)


async def test_a_retry_is_dropped_once_a_newer_status_was_delivered_to_the_same_postback(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(_AwayForNew()) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/{{postback}}?status={{status}}"
        on = ["new", "approve", "price"]
        postbacks = [
            {"id": "drops", "on": on, "template": link, "on_newer": "drop"},
            {"id": "sends", "on": on, "template": link},
        ]
        await made.apply({"flow_id": "F-1", "postbacks": postbacks})
        first = await made.start(name="w1").ready()
        await made.send({"event_id": "1", "lead_id": "L", "flow_id": "F-1", "status": "new"})
        await until(lambda: made.rows("outcome", "outcome = 'retrying'", n=2), f"retrying: {first.tail()}")
        await made.send({"event_id": "2", "lead_id": "L", "status": "approve"})
        await until(lambda: made.rows("outcome", "event = 'approve'", n=2), f"approved: {first.tail()}")
        assert await first.stop() == 0
        second = await made.start(name="w2").ready()  # its data directory is empty: read from the changelog
        rows = await until(
            lambda: made.rows("postback_id, event, outcome, reason", order="postback_id, logged_at", n=6),
            f"the retries came back: {second.tail()}",
        )
        assert rows == [
            ("drops", "new", "retrying", "status 503"),
            ("drops", "approve", "delivered", "status 200"),
            ("drops", "new", "skipped", "superseded: the status of lead_seq 2 was delivered before"),
            ("sends", "new", "retrying", "status 503"),
            ("sends", "approve", "delivered", "status 200"),
            ("sends", "new", "delivered", "status 200"),
        ]
