"""The one composition root: settings in, the roles of one process out, started and stopped in order.

Crash-only: a role that cannot keep its promise (Kafka refuses for good, a bug) ends the process with
status 1 and a line that says why; what was not acknowledged is done again after the restart.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, NoReturn, Protocol

import uvloop

from app.join.agent import Join
from app.kit.logs import logger
from app.kit.secrets import Secrets
from app.log.agent import Log
from app.outbound.agent import Outbound
from app.outbound.connections import tls_context
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.outbound.source import Source
from app.outbound.tunnel import Proxy
from app.settings import Settings
from app.stream.faust_app import RoleApp, new_app
from app.stream.kafka import new_producer
from app.stream.migrate import check_topics
from app.stream.watchdog import Watchdog
from app.web.server import is_loopback, listen, new_server

_LEAVE_S = 3.0  # beyond stop_timeout_s, for Faust and Kafka; a container's grace must be longer than both
ROLES = ("join", "outbound", "log", "web")


class StartFault(Exception):
    """The worker cannot start; the text says why and what to do."""


class Role(Protocol):
    """What the root asks of a role."""

    name: str
    app: RoleApp

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs beside Faust; a job that raises, or ends before `stopping`, ends the process."""
        ...

    def waits_for(self) -> list[str]:
        """What is missing until it is ready, a line each."""
        ...


def run(settings: Settings, roles: Sequence[str], secrets: Secrets) -> NoReturn:
    """Run `roles` until SIGTERM or SIGINT; the process ends here, with status 0 after an orderly stop.

    It does not wait for threads that hang in a name server or in Kafka. Raises as `work`.
    """
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(work(settings, roles, secrets))
    _end(0)


def _end(status: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


async def work(settings: Settings, roles: Sequence[str], secrets: Secrets) -> None:
    """Run `roles` until SIGTERM or SIGINT. When a role ends before, so does the process, with status 1.

    Raises `StartFault`, `TopicFault` and `KafkaError` when the start fails.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await check_topics(settings)
    async with AsyncExitStack() as stack:
        producer = new_producer(settings)
        await producer.start()
        stack.push_async_callback(producer.stop)
        running = [
            _role(name, settings, producer, secrets, stack)
            for name in ROLES
            if name in roles and name != "web"
        ]
        await _run(settings, running, stop, stack)


def _role(name: str, settings: Settings, producer: Any, secrets: Secrets, stack: AsyncExitStack) -> Role:
    data_dir = settings.data_dir / name / settings.worker
    stack.enter_context(_locked(data_dir))
    app = new_app(settings, name, data_dir)
    if name == "join":
        return Join(settings, app, producer, secrets)
    if name == "outbound":
        return Outbound(settings, app, producer, secrets, new_courier(settings, secrets))
    return Log(settings, app, producer)


def new_courier(settings: Settings, secrets: Secrets) -> Courier:
    """The courier of the settings, guard, source address and proxy at work. Raises `StartFault`."""
    source = Source(settings.source_addresses)
    try:
        source.check()
    except OSError as error:
        raise StartFault(
            f"POSTBACKS_SOURCE_ADDRESS: {error.filename} cannot be bound on this machine ({error.strerror}); "
            "ip address lists what it has"
        ) from error
    guard = Guard(settings.allow_networks, source.open_socket)
    link = settings.proxy
    proxy = Proxy(link, guard.check, source.open_socket, tls_context()) if link else None
    return Courier(secrets, guard.open_socket, proxy=proxy)


async def _run(settings: Settings, roles: Sequence[Role], stop: asyncio.Event, stack: AsyncExitStack) -> None:
    def waits_for() -> list[str]:
        return [f"{role.name}: {line}" for role in roles for line in role.waits_for()]

    alone = is_loopback(settings.web_host)
    if not alone and not settings.view_token:
        raise StartFault(
            f"POSTBACKS_WEB={settings.web_host}:{settings.web_port} is reached from other machines: "
            "set POSTBACKS_VIEW_TOKEN, which readers of /metrics send as a bearer token"
        )
    server = new_server(waits_for, "" if alone else settings.view_token)
    try:
        web = await listen(server, settings.web_host, settings.web_port)
    except OSError as error:
        raise StartFault(
            f"cannot listen on {settings.web_host}:{settings.web_port} ({error.strerror}): "
            "set POSTBACKS_WEB to a free address"
        ) from error
    stack.push_async_callback(web.cleanup)
    jobs = [asyncio.create_task(Watchdog(settings, roles).run(), name="watchdog")]
    jobs += [asyncio.create_task(_faust(role.app), name=f"{role.name}: Faust") for role in roles]
    jobs += [asyncio.create_task(job, name=role.name) for role in roles for job in role.jobs(stop)]
    logger().info("worker started", roles=[role.name for role in roles], worker=settings.worker)
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait((stopping, *jobs), return_when=asyncio.FIRST_COMPLETED)
    if stopping not in done:
        for job in done:
            _tell(job)
        _end(1)
    try:
        await _leave(settings, roles)
    except Exception as error:  # Faust's threads would keep a process alive whose loop is gone
        logger().error("the stop failed", reason=f"{type(error).__name__}: {error}", exc_info=error)
        _end(1)
    for job in jobs:
        job.cancel()
    for ended in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(ended, Exception):
            logger().error("a role failed while it stopped", reason=f"{type(ended).__name__}: {ended}")
            _end(1)


async def _faust(app: RoleApp) -> None:
    """Run the app; returns when Faust has given it up."""
    await app.start()
    await app._crashed.wait()
    raise RuntimeError(f"Faust gave {app.conf.id} up: {app.crash_reason!r}")


def _tell(job: asyncio.Task[Any]) -> None:
    """Say why a job ended that was to run for ever."""
    error = job.exception()
    reason = f"{type(error).__name__}: {error}" if error else "it returned"
    logger().error("worker ends: a role did", role=job.get_name(), reason=reason, exc_info=error)


def _give_up() -> None:
    logger().error("left before all had stopped: what was unfinished is read again")
    _end(1)


async def _leave(settings: Settings, roles: Sequence[Role]) -> None:
    """No new work, finish what is in flight, commit, leave; after the deadline leave all the same."""
    logger().info("worker stops", timeout_s=settings.stop_timeout_s)
    # Faust swallows a cancellation while it stops, and waits for a Kafka that is away for ever.
    asyncio.get_running_loop().call_later(settings.stop_timeout_s + 2 * _LEAVE_S, _give_up)
    try:
        async with asyncio.timeout(settings.stop_timeout_s + _LEAVE_S):
            await _stop_in_order(settings, roles)
    except TimeoutError:
        logger().warning("left before Faust had stopped: what was unfinished is read again")


async def _stop_in_order(settings: Settings, roles: Sequence[Role]) -> None:
    """LOG last: it still stores the rows of what the others finish while they stop."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + settings.stop_timeout_s
    logs = [role for role in roles if isinstance(role, Log)]
    await asyncio.gather(*(role.app.leave(settings.stop_timeout_s) for role in roles if role not in logs))
    for log in logs:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end_s):
                await log.caught_up()
        await log.app.leave(max(0.0, end_s - loop.time()))


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory: two workers in one would break each other's tables. Raises `StartFault`."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = (data_dir / "lock").open("w")
    except OSError as error:
        raise StartFault(f"cannot write to {data_dir} ({error.strerror}): set POSTBACKS_DATA_DIR") from error
    with handle:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except OSError as error:
            raise StartFault(
                f"another worker uses {data_dir}: give each worker on a machine its own POSTBACKS_WORKER"
            ) from error
        handle.write(str(os.getpid()))
        handle.flush()
        yield
