"""A lead event on Apache Kafka becomes the right request, and a row in ClickHouse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Receiver, answer
from tests.workers import installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.timeout(180)]


async def test_an_event_of_any_client_becomes_its_request_and_its_row(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200, b"OK")) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/pb?c={{click}}&s={{status}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link, "approve": link}})
        worker = await made.start().ready()
        first = {"event_id": "e-1", "lead_id": "L-1", "flow_id": "F-1", "status": "new"}
        await made.send(
            {**first, "click": {"id": "c 9"}}, {"event_id": "e-2", "lead_id": "L-1", "status": "approve"}
        )
        rows = await until(
            lambda: made.rows("lead_id, event, outcome, url, response_status, response_body, attempt", n=2),
            f"two rows: {worker.tail()}",
        )
        assert rows == [
            ("L-1", status, "delivered", link.format(click="c%209", status=status), 200, "OK", 1)
            for status in ("new", "approve")
        ]
        targets = sorted(request.target for request in receiver.requests)
        assert targets == [b"/pb?c=c%209&s=approve", b"/pb?c=c%209&s=new"]
        assert await worker.stop() == 0, worker.tail()
