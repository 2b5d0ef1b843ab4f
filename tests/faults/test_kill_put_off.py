"""A worker killed when the copy of what it puts off is written: nothing is lost, and it is sent once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Receiver, answer
from tests.workers import WorkerProcess, installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_LEADS = [f"L-{number}" for number in range(60)]


def _dropped(worker: WorkerProcess) -> float:
    lines = worker.get("/metrics")[1].splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("postbacks_repeats_dropped_total")
    )


async def test_what_was_put_off_before_a_kill_is_sent_once(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        installation(kafka, clickhouse, tmp_path, partitions="1", retry_delays="1s,2s,3s") as made,
        Receiver(answer(200)) as receiver,
    ):
        link = receiver.url("/?lead={id}")
        rated = {"id": "p", "on": ["new"], "template": link, "rate_limit_per_s": 5}
        await made.apply({"flow_id": "F-1", "postbacks": [rated]})
        doomed = made.start(TEST_KILL_AT="outbound: put off")
        await made.send(*lead_events(_LEADS))
        assert await doomed.ended() == -9, doomed.tail()
        before = len(receiver.requests)
        worker = await made.start().ready()
        rows = await until(
            lambda: made.rows("lead_id", "outcome = 'delivered'", n=len(_LEADS)), lambda: worker.tail()
        )
        assert sorted(lead for (lead,) in rows) == sorted(_LEADS)
        assert _dropped(worker) > 0, "the originals of the copies are read again, and known"
        repeated = [target for target, n in Counter(r.target for r in receiver.requests).items() if n > 1]
        assert len(repeated) <= before
        assert await worker.stop() == 0, worker.tail()
