"""A worker as the tests build it: the product's own, with switches of theirs in the environment.

`TEST_KILL_AT=point` ends the process with SIGKILL when it first reaches that point between two effects;
`TEST_STALL=role` has every role stand still with what it would take, `TEST_STALL=mover` the mover alone,
`TEST_STALL=loop` the event loop too;
`TEST_CLOCK=file` adds the seconds in that file to the clock; `TEST_MOST_BYTES_OF_A_FILE` makes a
disk that is full;
`TEST_QUICK_ALARMS=1` has alarms begin and end within a second or two;
`TEST_NAIVE_ACKS=1` acks in the order of finishing, without the ledger; `TEST_RESOLVE=port:ca.pem` takes
every host name for a receiver on loopback whose certificates that authority signs.
"""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from aiohttp.abc import AbstractResolver, ResolveResult

import app.join.agent
import app.kit.clock
import app.main
import app.outbound.agent
import app.stream.intake
from app.kit import points
from app.kit.alarm_lines import AlarmLines
from app.kit.logs import configure
from app.kit.secrets import Secrets
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from app.outbound.retries import Mover
from app.outbound.watch import Watch
from app.settings import load
from app.stream.intake import Intake
from app.stream.ledger import Ledger


class NaiveLedger(Ledger):
    """What a ledger must not do: commit past a record that is still open."""

    def finish(self, offset: int) -> int | None:
        super().finish(offset)
        return offset + 1


class OnLoopback(AbstractResolver):
    """Every name is 127.0.0.1 at one port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=2, proto=6, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


class Shifted:
    """The module `time` with the seconds of a file added to its clock."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def time_ns(self) -> int:
        return time.time_ns() + int(self._file.read_text() or 0) * 10**9

    monotonic_ns = staticmethod(time.monotonic_ns)  # a steady clock does not jump


async def stand_still(role: object, *what: object) -> list[Any]:
    """Do nothing, for ever."""
    while True:
        if os.environ["TEST_STALL"] == "loop":
            time.sleep(60)
        await asyncio.sleep(60)


def kill_at(wanted: str, point: str) -> None:
    """End this process at once when it stands at the wanted point."""
    if point == wanted:
        os.kill(os.getpid(), signal.SIGKILL)


def main(roles: list[str]) -> NoReturn:
    """Run the roles as `postbacks worker` does."""
    settings = load(os.environ)
    configure("json", settings.log_level)
    if wanted := os.environ.get("TEST_KILL_AT"):
        points.on_reach = functools.partial(kill_at, wanted)
    if offset_file := os.environ.get("TEST_CLOCK"):
        app.kit.clock.time = Shifted(Path(offset_file))  # type: ignore[attr-defined, assignment]  # as much as is used
    if most := os.environ.get("TEST_MOST_BYTES_OF_A_FILE"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
    if os.environ.get("TEST_STALL") == "mover":
        Mover._copies = stand_still  # type: ignore[method-assign, assignment]  # likewise
    elif os.environ.get("TEST_STALL"):
        Intake.take = stand_still  # type: ignore[method-assign, assignment]  # what the test is about
    if os.environ.get("TEST_QUICK_ALARMS"):
        vars(app.outbound.agent)["Watch"] = functools.partial(Watch, dark_ms=1_000)
        for role in (app.join.agent, app.outbound.agent):
            vars(role)["AlarmLines"] = functools.partial(AlarmLines, look_s=0.2, calm_ms=1_000)
    if os.environ.get("TEST_NAIVE_ACKS"):
        vars(app.stream.intake)["Ledger"] = NaiveLedger
    if resolve := os.environ.get("TEST_RESOLVE"):
        port, _, authority = resolve.partition(":")
        tls: ssl.SSLContext = tls_context()
        tls.load_verify_locations(authority)
        vars(app.main)["Courier"] = functools.partial(Courier, tls=tls, resolver=OnLoopback(int(port)))
    app.main.run(settings, roles, Secrets(os.environ, settings.secrets_dir))


if __name__ == "__main__":
    main(sys.argv[1].split(","))
