"""What it costs OUTBOUND to decide who is sent to, by how many hosts wait: CPU µs of one request's way.

    .venv/bin/python -m tests.bench.hosts_cost

One request is offered, another starts, an earlier one ends; in the meantime requests to so many other hosts
wait: hosts that never answered (`hanging`), that did (`crowd`), or that asked to be left alone (`paced`).
"""

from __future__ import annotations

from itertools import count

from app.outbound.hosts.job import Job, Report, Start
from app.outbound.hosts.machine import Hosts
from tests.bench.least import cpu_us, table

WAITS_MS = (5_000, 60_000, 600_000)
_WORKS = Report("works", took_ms=1.0)
_number = count()


def _job(host: str) -> Job[None]:
    number = next(_number)
    return Job(None, host, (f"L-{number}", "F-7", "fb"), str(number), seq=1)


class _World:
    """A machine with hosts that wait, and one that works."""

    def __init__(self, hosts: int, how: str) -> None:
        self.now_ms = 1_000_000
        self.machine: Hosts[None] = Hosts(256, 32, WAITS_MS)
        self.flying: list[Job[None]] = []
        for _ in range(40):
            self.once()
        names = [f"h{number}.example" for number in range(hosts)]
        for name in names:
            if how == "paced":
                self._end(name, Report("throttles", 4_000, 1.0))
            elif how == "crowd":
                self._end(name, _WORKS)
        for name in names:
            for _ in range(2):
                self.machine.offer(_job(name), self.now_ms)
            self._take()
        self.flying = [job for job in self.flying if job.host == "good.example"]

    def _take(self) -> list[Job[None]]:
        begun = []
        while (step := self.machine.take(self.now_ms)) is not None:
            if isinstance(step, Start):
                begun.append(step.job)
        self.flying += begun
        return begun

    def _end(self, host: str, report: Report) -> None:
        self.machine.offer(_job(host), self.now_ms)
        for job in self._take():
            self.flying.remove(job)
            self.machine.done(job, report, self.now_ms)
        self._take()

    def once(self, _: object = None) -> None:
        """One request's way at a host that works."""
        self.machine.offer(_job("good.example"), self.now_ms)
        self._take()
        for job in self.flying:
            self.machine.done(job, _WORKS, self.now_ms)
        self.flying.clear()
        self._take()
        self.machine.changes()


def main() -> None:
    """Print the table."""
    rows = []
    for how in ("hanging", "crowd", "paced"):
        for hosts in (10, 1_000, 10_000):
            world = _World(hosts, how)
            rows.append((f"{how}, {hosts} hosts wait", cpu_us(world.once, [None] * 300, repeats=3)))
    print(table(rows))


if __name__ == "__main__":
    main()
