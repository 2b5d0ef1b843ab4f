"""The machine of `hosts` as the agent runs it: with a clock, a timer, metrics and log lines.

Its clock is steady, so that a clock that is set does not close every host for an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from app.kit.clock import now_ms, steady_ms
from app.kit.logs import logger
from app.kit.metrics import CIRCUIT_OPEN, IN_FLIGHT, OPEN_CIRCUITS, PUT_OFF, WAITING
from app.messages.request import Request
from app.outbound.hosts.job import CircuitChange, Job, Rate, Report, Start
from app.outbound.hosts.machine import Hosts
from app.settings import Settings

T = TypeVar("T")

_ROOM_S = 1.0  # nobody waits longer than this because others are many
_HURRY_MS = 10_000  # after that, what is crowded is slow: nobody waits because of it
_MOST_NAMED = 100  # open circuits that have a metric of their own


class PutOff(Protocol[T]):
    """Puts a job off until a time (Unix ms); `alone` says that its lane has nothing else here."""

    def __call__(self, job: Job[T], due_at_ms: int, *, alone: bool) -> Coroutine[Any, Any, None]: ...


class Gate(Generic[T]):
    """Starts `send` for what is to be sent now and `put_off` for what is not, each as a task by `start`.

    `on_circuit` is told each circuit that opens or closes, with the steady time.
    """

    def __init__(
        self,
        settings: Settings,
        start: Callable[[Coroutine[Any, Any, None]], None],
        send: Callable[[Job[T]], Coroutine[Any, Any, None]],
        put_off: PutOff[T],
        on_circuit: Callable[[CircuitChange, int], None],
    ) -> None:
        waits_ms = [tier.delay_ms for tier in settings.topics.retries[:3]]
        self._hosts: Hosts[T] = Hosts(settings.max_in_flight, settings.max_per_host, waits_ms)
        self._start = start
        self._send = send
        self._put_off = put_off
        self._on_circuit = on_circuit
        self._share = 0.0
        self._named: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._ended = asyncio.Event()
        self._hurries_ms = 0
        IN_FLIGHT.set_function(lambda: self._hosts.in_flight)
        WAITING.set_function(lambda: self._hosts.waiting)
        OPEN_CIRCUITS.set_function(lambda: self._hosts.open_circuits)

    def offer(self, item: T, request: Request) -> None:
        """Take a request in; `decide` follows."""
        self._hosts.offer(job_of(item, request), steady_ms())

    def done(self, job: Job[T], report: Report) -> None:
        """What was started has ended."""
        self._hosts.done(job, report, steady_ms())
        self._ended.set()
        self.decide()

    async def room(self) -> None:
        """Wait a moment while hosts that answer have enough waiting here: to put it off would only cost."""
        if steady_ms() < self._hurries_ms or not self._hosts.is_crowded(steady_ms()):
            return
        self.decide()
        try:
            async with asyncio.timeout(_ROOM_S):
                while self._hosts.is_crowded(steady_ms()):
                    self._ended.clear()
                    await self._ended.wait()
        except TimeoutError:
            self._hurries_ms = steady_ms() + _HURRY_MS

    def set_share(self, owned: int, partitions: int) -> None:
        """This worker owns so many of the partitions, and has that part of every rate."""
        share = max(1, owned) / partitions
        if share != self._share:
            self._share = share
            self._hosts.set_share(share, steady_ms())

    def drop_waiting(self) -> None:
        """Forget what waits: it is read again by whoever owns its partition then."""
        self._hosts.drop_waiting(steady_ms())
        self.decide()

    def decide(self) -> None:
        """Start and put off all that can be, and look again when the machine says so."""
        at_ms = steady_ms()
        while (step := self._hosts.take(at_ms)) is not None:
            if isinstance(step, Start):
                self._start(self._send(step.job))
            else:
                PUT_OFF.labels(step.why).inc()
                alone = not self._hosts.is_lane_busy(step.job.lane)
                self._start(self._put_off(step.job, now_ms() + step.due_ms - at_ms, alone=alone))
        for change in self._hosts.changes():
            self._on_circuit(change, at_ms)
            self._tell(change)
        if (next_ms := self._hosts.next_ms) is not None:
            self._look_at(next_ms)

    def _look_at(self, next_ms: int) -> None:
        """Look again at this time, or before: a timer for an earlier time stays and sets the next one."""
        if self._timer is not None:
            if self._timer_ms <= next_ms:
                return
            self._timer.cancel()
        wait_s = max(1, next_ms - steady_ms()) / 1000
        self._timer_ms = next_ms
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._start_deciding)

    def _start_deciding(self) -> None:
        self._timer = None
        self._start(self._decide_again())

    async def _decide_again(self) -> None:
        self.decide()

    def _tell(self, change: CircuitChange) -> None:
        if change.until_ms is None:
            logger().info("host answers again, or is not used any more: circuit closed", host=change.host)
            if change.host in self._named:
                self._named.remove(change.host)
                CIRCUIT_OPEN.remove(change.host)
            return
        probe_s = (change.until_ms - steady_ms()) / 1000
        logger().warning("host only fails: circuit opened", host=change.host, asked_again_in_s=probe_s)
        if len(self._named) < _MOST_NAMED:
            self._named.add(change.host)
            CIRCUIT_OPEN.labels(change.host).set(1)


def job_of(item: T, request: Request) -> Job[T]:
    """What the machine has to know of a request."""
    origin, per_s = request.origin, request.delivery.rate_limit_per_s
    key = (origin.flow_id, origin.postback_id)
    return Job(
        item,
        request.host,
        (origin.lead_id, *key),
        f"{request.request_id}:{request.replay}",
        seq=origin.lead_seq,
        is_first=request.attempts == 0,
        put_offs=request.put_offs,
        rate=None if per_s is None else Rate(key, per_s, origin.flow_version),
    )
