"""A worker tells what somebody should look at, once, with what to do, and tells when it is over."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.kit.clock import now_ms
from app.messages.state import PostbackState, key_of
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, Script, answer, reset
from tests.workers import Installation, WorkerProcess, installation, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_SECRET = "letmein-0123456789"


class Sick:
    """A script until `is_well`; then all is fine."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.is_well = False

    async def __call__(self, exchange: Exchange) -> None:
        await (answer(200) if self.is_well else self._script)(exchange)


async def _says_back(exchange: Exchange) -> None:
    await answer(404, b"no such click", [("Location", _SECRET)])(exchange)


def _flow(name: str, receiver: Receiver, **says: Any) -> dict[str, Any]:
    link = receiver.url("/?lead={id}&as={status}&key={secret.pixel}")
    return {"flow_id": name, "postbacks": [{"id": "p", "on": ["new", "hold"], "template": link, **says}]}


def _lines(worker: WorkerProcess, event: str) -> list[dict[str, Any]]:
    lines = [line for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [entry for line in lines if (entry := json.loads(line))["event"] == event]


def _kinds(worker: WorkerProcess, event: str = "alarm") -> list[str]:
    return sorted(line["alarm"] for line in _lines(worker, event))


def _on(worker: WorkerProcess) -> dict[str, float]:
    found = re.findall(r'^postbacks_alarms_on{kind="(\w+)"} (\S+)$', worker.get("/metrics")[1], re.MULTILINE)
    return {kind: float(count) for kind, count in found}


async def _activate(made: Installation, flow: str) -> None:
    state = msgspec.json.encode(PostbackState("active", "released", now_ms(), "olha"))
    topic = made.settings.topics.postback_states.name
    await made.producer.send_and_wait(topic, state, key=key_of(flow, "p").encode(), partition=0)


async def test_each_kind_of_trouble_is_one_alarm_with_what_to_do_and_ends(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    fails, dark = Sick(_says_back), Sick(reset())
    kinds = ["auth_refused", "deadline_near", "events_rejected", "host_dark", "postback_fails"]
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(
            installation(kafka, clickhouse, tmp_path, retry_delays="1s,2s,3s")
        )
        scripts: list[Script] = [fails, dark, answer(401)]
        failing, broken, refusing = [
            await stack.enter_async_context(Receiver(script, host=f"127.0.3.{number}"))
            for number, script in enumerate(scripts, start=1)
        ]
        await made.apply(
            _flow("fails", failing),
            _flow("dark", broken, retry={"waits_s": [1], "max_attempts": 1_000}),
            _flow("auth", refusing, retry={"deadline_s": 20}),
        )
        worker = await made.start(TEST_QUICK_ALARMS="1", POSTBACKS_SECRET_pixel=_SECRET).ready()
        for flow, leads in (("fails", 40), ("dark", 5), ("auth", 6)):
            names = [f"{flow}-{number}" for number in range(leads)]
            await made.send(*lead_events(names, flow_id=flow))
        await made.send(*(f"no event {number}".encode() for number in range(25)))

        await until(lambda: {"postback_fails", "host_dark"} <= {*_kinds(worker)}, worker.tail)
        fails.is_well = dark.is_well = True
        await made.send(*lead_events(["fails-0"], "hold", "fails"), *lead_events(["dark-0"], "hold", "dark"))
        await until(lambda: _kinds(worker) == kinds, lambda: f"{_kinds(worker)} {worker.tail()}")
        lines = {line["alarm"]: line for line in _lines(worker, "alarm")}
        assert {line["level"] for line in lines.values()} == {"error", "warning"}
        assert all(line["now"] == "begins" and line["since"] and line["why"] for line in lines.values())
        assert (lines["postback_fails"]["flow"], lines["host_dark"]["host"]) == ("fails", "127.0.3.2")
        assert lines["postback_fails"]["why"] == "status 404"
        assert lines["postback_fails"]["count"] >= 10
        assert lines["auth_refused"]["do"].endswith("postbacks release auth p")
        assert 1 <= lines["deadline_near"]["count"] <= 6
        assert lines["events_rejected"]["why"].startswith("not JSON")
        page = worker.get("/metrics")[1].splitlines()
        assert 'postbacks_alarm{flow="auth",host="",kind="auth_refused",postback="p"} 1.0' in page
        assert {f'postbacks_alarms_total{{kind="{kind}"}} 1.0' for kind in kinds} <= set(page)

        await _activate(made, "auth")
        ended = [kind for kind in kinds if kind != "events_rejected"]
        await until(lambda: _kinds(worker, "alarm is over") == ended, worker.tail)
        assert all(line["level"] == "info" for line in _lines(worker, "alarm is over"))
        await until(lambda: _on(worker) == dict.fromkeys(ended, 0) | {"events_rejected": 1}, worker.tail)
        assert worker.metric("postbacks_alarm") == 1
        assert len(_lines(worker, "alarm")) == len(kinds)
        assert _SECRET not in worker.log.read_text()
        assert await worker.stop() == 0, worker.tail()
