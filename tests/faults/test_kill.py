"""A worker killed by SIGKILL between each two effects: nothing is lost, repeats are the same request."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, Script, answer, never
from tests.workers import Installation, installation, lead_events, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_POINTS = (
    "join: emitted",
    "join: changelog written",
    "join: leads written",
    "outbound: sent",
    "outbound: retry written",
    "outbound: row written",
    "retries: moved",
    "log: inserted",
)
_LEADS = [f"L-{number}" for number in range(40)]


def _fails_first_for(leads: set[str]) -> Script:
    """503 for the first request of each of these leads, then 200."""
    failed: set[str] = set()

    async def play(exchange: Exchange) -> None:
        lead = _asked(exchange.received.target)["lead"]
        if lead in leads and lead not in failed:
            failed.add(lead)
            await answer(503)(exchange)
        else:
            await answer(200)(exchange)

    return play


def _asked(target: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(target.decode()).query).items()}


async def _statistics(made: Installation) -> dict[str, int]:
    await made.database.client.command("SYSTEM REFRESH VIEW postback_stats_refresh")
    await made.database.client.command("SYSTEM WAIT VIEW postback_stats_refresh")
    sums = "sum(delivered), sum(retrying), sum(sends)"
    [(delivered, retrying, sends)] = await made.database.rows(f"SELECT {sums} FROM postback_stats")
    return {"delivered": delivered, "retrying": retrying, "sends": sends}


@pytest.mark.parametrize("point", _POINTS)
async def test_a_worker_killed_between_two_effects_loses_nothing(
    point: str, kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    retried = set(_LEADS[:8])
    async with (
        installation(kafka, clickhouse, tmp_path) as made,
        Receiver(_fails_first_for(retried)) as receiver,
    ):
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}&request={{request}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        doomed = made.start(TEST_KILL_AT=point)
        await made.send(*lead_events(_LEADS))
        await made.send(b"{", key=b"L-0")
        assert await doomed.ended() == -9, doomed.tail()
        worker = await made.start().ready()
        delivered = await until(
            lambda: made.rows("lead_id, request_id", "outcome = 'delivered'", n=len(_LEADS)),
            f"all delivered: {worker.tail()}",
        )
        assert sorted(lead for lead, _ in delivered) == sorted(_LEADS)
        asked = [_asked(request.target) for request in receiver.requests]
        request_of = dict(delivered)
        assert {(a["lead"], a["request"]) for a in asked} == set(request_of.items())
        sends = Counter(a["lead"] for a in asked)
        assert all(sends[lead] >= (2 if lead in retried else 1) for lead in _LEADS)
        assert await worker.stop() == 0, worker.tail()
        rows = Counter(outcome for (outcome,) in await made.rows("outcome"))
        assert (rows["delivered"], rows["rejected"]) == (len(_LEADS), 1)
        rejected = await read_topic(made.settings, made.settings.topics.events_rejected.name)
        assert {record.value for record in rejected} == {b"{"}
        assert await _statistics(made) == {
            "delivered": rows["delivered"],
            "retrying": rows["retrying"],
            "sends": rows["delivered"] + rows["retrying"],
        }


@pytest.mark.parametrize(
    ("point", "garbage_in"),
    [("outbound: rejected kept", "postback-requests"), ("log: rejected kept", "postback-log")],
)
async def test_a_worker_killed_when_it_has_kept_what_it_cannot_read_goes_on_behind_it(
    point: str, garbage_in: str, kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
        topic = f"{made.settings.prefix}.{garbage_in}"
        await made.producer.send_and_wait(topic, b"no envelope", key=b"k", partition=0)
        doomed = made.start(TEST_KILL_AT=point)
        assert await doomed.ended() == -9, doomed.tail()
        worker = await made.start().ready()
        await made.send(*lead_events(_LEADS[:8]))
        delivered = await until(
            lambda: made.rows("lead_id", "outcome = 'delivered'", n=8), lambda: worker.tail()
        )
        assert sorted(lead for (lead,) in delivered) == sorted(_LEADS[:8])
        kept = await read_topic(made.settings, made.settings.topics.log_rejected.name)
        assert {record.value for record in kept} == {b"no envelope"}
        assert 1 <= len(kept) <= 2
        assert await worker.stop() == 0, worker.tail()


async def _sent_after_a_kill(made: Installation, receiver: Receiver, **switches: str) -> set[str]:
    """One receiver's lead hangs while those behind it are done; the worker is killed and started again."""
    link = f"http://127.0.0.1:{receiver.port}/pb?lead={{id}}"
    await made.apply({"flow_id": "F-1", "postbacks": {"new": link}})
    first = await made.start("join,outbound", **switches).ready()
    for lead in ("hangs", *_LEADS[:10]):
        await made.send(*lead_events([lead]), partition=0)
    await until(lambda: len(receiver.requests) == 11, f"all sent: {first.tail()}")
    done = await until(lambda: _rows_written(made, 10), "ten rows")
    assert "hangs" not in done
    await asyncio.sleep(3)  # what may be committed is, which happens every 0.2 s
    first.kill()
    before = len(receiver.requests)
    second = await made.start("join,outbound", **switches).ready()
    await made.send(*lead_events(["last"]), partition=0)
    await until(lambda: any(b"lead=last" in r.target for r in receiver.requests), second.tail())
    return {_asked(request.target)["lead"] for request in itertools.islice(receiver.requests, before, None)}


async def _rows_written(made: Installation, count: int) -> list[str]:
    written = [record.lead_id for record in await made.log_records() if record.outcome == "delivered"]
    return written if len(written) >= count else []


def _hangs_once() -> Script:
    """The lead `hangs` gets no answer the first time."""
    seen: set[str] = set()

    async def play(exchange: Exchange) -> None:
        lead = _asked(exchange.received.target)["lead"]
        if lead == "hangs" and lead not in seen:
            seen.add(lead)
            await never()(exchange)
        await answer(200)(exchange)

    return play


async def test_what_hangs_is_sent_again_after_a_kill_though_later_ones_were_done(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(_hangs_once()) as receiver:
        assert "hangs" in await _sent_after_a_kill(made, receiver)


async def test_without_the_ledger_what_hangs_is_lost(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    """The test above would fail: acks in the order of finishing commit past what is in flight."""
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(_hangs_once()) as receiver:
        assert "hangs" not in await _sent_after_a_kill(made, receiver, TEST_NAIVE_ACKS="1")
