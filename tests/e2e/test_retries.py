"""Waits through the pipeline: by the postback, by the receiver, before the first send, and their end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.kit.clock import now_ms
from app.outbound.schedule import SKEW_MS
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, Script, answer
from tests.workers import Installation, installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_ANSWERS: dict[bytes, list[Script]] = {
    b"/waits": [answer(503), answer(503), answer(200)],
    b"/throttled": [answer(429, headers=[("Retry-After", "3")]), answer(200)],
    b"/capped": [answer(429, headers=[("Retry-After", "86400")]), answer(200)],
    b"/used-up": [answer(500)],
    b"/too-late": [answer(500)],
    b"/far": [answer(500)],
}


def _by_path() -> Script:
    """Each path has its own answers, the last one for ever."""
    left = {path: list(scripts) for path, scripts in _ANSWERS.items()}

    async def play(exchange: Exchange) -> None:
        scripts = left.get(exchange.received.target.partition(b"?")[0], [answer(200)])
        await (scripts.pop(0) if len(scripts) > 1 else scripts[0])(exchange)

    return play


def _postback(receiver: Receiver, name: str, **says: Any) -> dict[str, Any]:
    link = f"http://127.0.0.1:{receiver.port}/{name}?l={{id}}"
    return {"id": name, "on": ["new"], "template": link, **says}


_WHAT = (
    "postback_id, attempt, outcome, reason, toUnixTimestamp64Milli(requested_at), "
    "toUnixTimestamp64Milli(logged_at), toUnixTimestamp64Milli(logged_at) - duration_ms, "
    "toUnixTimestamp64Milli(next_attempt_at)"
)


@dataclass(frozen=True)
class Row:
    """A row of the log; times are Unix milliseconds."""

    postback: str
    attempt: int
    outcome: str
    reason: str
    requested_at: int
    ended_at: int
    began_at: float | None
    next_at: int | None


async def _attempts(made: Installation, count: int) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for values in await made.rows(_WHAT, order="postback_id, attempt", n=count):
        row = Row(*values)
        found.setdefault(row.postback, []).append(row)
    return found


async def test_each_request_waits_as_its_postback_and_its_receiver_say_and_no_other_waits_for_it(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        installation(kafka, clickhouse, tmp_path, retry_delays="1s,2s", retry_after_max_s="4") as made,
        Receiver(_by_path()) as receiver,
    ):
        postbacks = [
            _postback(receiver, "far", retry={"waits_s": [86_400]}),
            _postback(receiver, "waits", retry={"waits_s": [1, 3]}),
            _postback(receiver, "throttled", retry={"waits_s": [1]}),
            _postback(receiver, "capped", retry={"waits_s": [1]}),
            _postback(receiver, "used-up", retry={"waits_s": [1], "max_attempts": 2}),
            _postback(receiver, "too-late", retry={"waits_s": [500], "deadline_s": 400}),
            _postback(receiver, "delayed", delay_s=2.5),
            _postback(receiver, "never-due", delay_s=300, retry={"deadline_s": 350}),
        ]
        await made.apply({"flow_id": "F-1", "postbacks": postbacks})
        worker = await made.start().ready()
        occurred_at = datetime.fromtimestamp(now_ms() / 1000 - 60, UTC).isoformat()
        event = {"event_id": "e-1", "lead_id": "L-1", "flow_id": "F-1", "status": "new"}
        await made.send(event | {"occurred_at": occurred_at})
        rows = await until(lambda: _attempts(made, 13), worker.tail)
        assert {name: [row.outcome for row in attempts] for name, attempts in rows.items()} == {
            "far": ["retrying"],
            "waits": ["retrying", "retrying", "delivered"],
            "throttled": ["retrying", "delivered"],
            "capped": ["retrying", "delivered"],
            "used-up": ["retrying", "failed"],
            "too-late": ["failed"],
            "delayed": ["delivered"],
            "never-due": ["failed"],
        }
        for attempts in rows.values():
            for row, following in itertools.pairwise(attempts):
                assert row.next_at is not None
                assert following.began_at is not None
                assert following.began_at >= row.next_at - SKEW_MS
        for name, least, most in (
            ("throttled", 3_000, 3_000),
            ("capped", 4_000, 4_000),
            ("waits", 800, 1_200),
        ):
            first = rows[name][0]
            assert first.next_at is not None
            assert least <= first.next_at - first.ended_at <= most
        [delayed] = rows["delayed"]
        assert delayed.attempt == 1
        assert delayed.began_at is not None
        assert delayed.began_at >= delayed.requested_at + 2_500 - SKEW_MS
        assert rows["used-up"][1].reason == "attempt 2 of 2 was the last: status 500"
        late = "past the deadline of 400 s after the event: status 500"
        assert rows["too-late"][0].reason == f"no retry after attempt 1, {late}"
        [never] = rows["never-due"]
        assert (never.attempt, never.reason) == (0, "due past the deadline of 350 s after the event")
        metrics = worker.get("/metrics")[1]
        assert 'postbacks_exhausted_total{limit="attempts"} 1.0' in metrics
        assert 'postbacks_exhausted_total{limit="deadline"} 2.0' in metrics
        assert 'postbacks_retries_moved_total{tier="2s"}' in metrics
        assert await worker.stop() == 0, worker.tail()


async def test_a_worker_killed_when_it_has_delayed_a_request_sends_it_once_as_it_was_rendered(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        installation(kafka, clickhouse, tmp_path, retry_delays="1s,2s") as made,
        Receiver(answer(200)) as receiver,
    ):
        await made.apply({"flow_id": "F-1", "postbacks": [_postback(receiver, "old", delay_s=20)]})
        join = await made.start("join").ready()
        await made.send({"event_id": "e-1", "lead_id": "L-1", "flow_id": "F-1", "status": "new"})
        await until(lambda: "postbacks_requests_total 1.0" in join.get("/metrics")[1], join.tail)
        assert await join.stop() == 0, join.tail()
        doomed = made.start("outbound", TEST_KILL_AT="outbound: delayed")
        assert await doomed.ended() == -9, doomed.tail()
        assert receiver.requests == []
        await made.apply({"flow_id": "F-1", "postbacks": [_postback(receiver, "new")]})
        worker = await made.start("join,outbound").ready()
        dropped = "postbacks_repeats_dropped_total 1.0"  # the copy in the tier, or the original
        await until(lambda: dropped in worker.get("/metrics")[1], worker.tail)
        assert [request.target for request in receiver.requests] == [b"/old?l=L-1"]
        assert await worker.stop() == 0, worker.tail()
