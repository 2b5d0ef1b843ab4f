"""How long the gate lets what comes wait because of what is here already."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from app.outbound import gate as module
from app.outbound.gate import Gate
from app.outbound.hosts.job import Job, Report
from app.settings import load
from tests.outbound import request


class Stage:
    """A gate with eight places, whose sends end when the test says so."""

    def __init__(self) -> None:
        settings = load({"POSTBACKS_WORKER": "w", "POSTBACKS_MAX_IN_FLIGHT": "8"})
        self.tasks: list[asyncio.Task[None]] = []
        self.flying: list[Job[int]] = []
        self.gate: Gate[int] = Gate(settings, self._start, self._send, self._put_off, lambda *_: None)
        self.gate.set_share(1, 1)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def _send(self, job: Job[int]) -> None:
        self.flying.append(job)

    async def _put_off(self, job: Job[int], due_at_ms: int, *, alone: bool) -> None:
        raise AssertionError(f"put off: {job}")

    async def offer(self, count: int) -> None:
        """Offer requests of other leads each, to one host."""
        for number in range(count):
            self.gate.offer(number, request("https://fast.example/"))
        self.gate.decide()
        await asyncio.sleep(0)

    async def end(self) -> None:
        """End all sends that are in flight, well."""
        ended, self.flying = self.flying, []
        for job in ended:
            self.gate.done(job, Report("works", took_ms=1.0))
        await asyncio.sleep(0)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    lanes = iter(range(10**6))
    real = module.job_of

    def of_its_own_lead(item: int, asked: Any) -> Job[int]:
        job = real(item, asked)
        job.lane = (f"lead {next(lanes)}", "F", "p")
        return job

    monkeypatch.setattr(module, "job_of", of_its_own_lead)
    return Stage()


async def test_what_comes_waits_until_what_is_here_is_sent(stage: Stage) -> None:
    await stage.offer(1)
    await stage.end()  # it answers
    await stage.offer(30)
    waits = asyncio.create_task(stage.gate.room())
    await asyncio.sleep(0)
    assert not waits.done()
    while not waits.done():
        assert stage.flying
        await stage.end()
    await waits


async def test_what_is_not_sent_within_a_moment_holds_up_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROOM_S", 0.01)
    await stage.offer(1)
    await stage.end()
    await stage.offer(30)
    await stage.gate.room()
    monkeypatch.setattr(module, "_ROOM_S", 3_600.0)
    await stage.gate.room()


async def test_nobody_waits_when_little_does(stage: Stage) -> None:
    await stage.offer(12)
    await stage.gate.room()
