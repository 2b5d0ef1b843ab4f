"""The receiver of the benches, as a process, and what it counted."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.programs import program


@dataclass(frozen=True)
class Received:
    """What arrived since the last reset; times in ms from an event's making to its first arrival."""

    count: int
    dups: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    wall_s: float
    max_inflight: int
    times: int = 0


@dataclass(frozen=True)
class Receiver:
    """A running receiver; `address` is host:port."""

    address: str

    def link(self, macros: str) -> str:
        """A link to it with these parameters."""
        return f"http://{self.address}/pb?{macros}"

    def reset(self, delay_ms: int, errors: int = 0) -> None:
        """Begin to count anew; it answers after `delay_ms`, each time after so many `errors` with a 503."""
        self._get(f"reset?delay={delay_ms}&errors={errors}")

    def count(self) -> int:
        """How many requests arrived."""
        return int(self._get("count"))

    def received(self, skip: int = 0) -> Received:
        """All figures; the first `skip` are left out of the latencies."""
        return Received(**json.loads(self._get(f"stats?skip={skip}")))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=10) as response:
            body: bytes = response.read()
            return body


@contextmanager
def receiver(hosts: int = 0) -> Iterator[Receiver]:
    """Run one; it answers as so many further hosts too, 127.0.1.1 and on, at the same port."""
    with subprocess.Popen(
        [program("sink"), "-hosts", str(hosts)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Receiver(process.stdout.readline().split()[-1])
        finally:
            process.kill()
