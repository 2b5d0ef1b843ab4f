"""The one composition root: settings in, the roles of one process out, started and stopped in order.

Crash-only: a role that cannot keep its promise (Kafka refuses for good, a bug) ends the process with
status 1 and a line that says why; what was not acknowledged is done again after the restart.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Protocol

from app.join.agent import Join
from app.kit.logs import logger
from app.kit.secrets import Secrets
from app.log.agent import Log
from app.outbound.agent import Outbound
from app.outbound.courier import Courier
from app.outbound.guard import Guard
from app.settings import Settings
from app.stream.faust_app import RoleApp, new_app
from app.stream.kafka import new_producer
from app.stream.migrate import check_topics
from app.web.server import listen, new_server

ROLES = ("join", "outbound", "log", "web")


class StartFault(Exception):
    """The worker cannot start; the text says why and what to do."""


class Role(Protocol):
    """What the root asks of a role."""

    name: str
    app: RoleApp

    def jobs(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs beside Faust until the stop; a job that raises ends the process."""
        ...

    def waits_for(self) -> list[str]:
        """What is missing until it is ready, a line each."""
        ...

    def begin_stop(self) -> None:
        """Take nothing new; what is in flight gets `stop_timeout_s`."""
        ...


async def work(settings: Settings, roles: Sequence[str], secrets: Secrets) -> int:
    """Run `roles` until SIGTERM or SIGINT. Returns the exit status: 0 after an orderly stop, else 1.

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
        return await _run(settings, running, stop, stack)


def _role(name: str, settings: Settings, producer: Any, secrets: Secrets, stack: AsyncExitStack) -> Role:
    data_dir = settings.data_dir / name / settings.worker
    stack.enter_context(_locked(data_dir))
    app = new_app(settings, name, data_dir)
    if name == "join":
        return Join(settings, app, producer, secrets)
    if name == "outbound":
        courier = Courier(secrets, Guard(settings.allow_networks).open_socket)
        return Outbound(settings, app, producer, secrets, courier)
    return Log(settings, app, producer)


async def _run(settings: Settings, roles: Sequence[Role], stop: asyncio.Event, stack: AsyncExitStack) -> int:
    faults: list[str] = []

    def waits_for() -> list[str]:
        return [f"{role.name}: {line}" for role in roles for line in role.waits_for()]

    server = new_server(lambda: faults, waits_for)
    try:
        web = await listen(server, settings.web_host, settings.web_port)
    except OSError as error:
        raise StartFault(
            f"cannot listen on {settings.web_host}:{settings.web_port} ({error.strerror}): "
            "set POSTBACKS_WEB to a free address"
        ) from error
    stack.push_async_callback(web.cleanup)
    tasks = [asyncio.create_task(role.app.start()) for role in roles]
    tasks += [asyncio.create_task(_crash_of(role.app)) for role in roles]
    tasks += [asyncio.create_task(job) for role in roles for job in role.jobs()]
    logger().info("worker started", roles=[role.name for role in roles], worker=settings.worker)
    status = await _until_stop(stop, tasks, faults)
    await _leave(settings, roles, tasks, status)
    return status


async def _crash_of(app: RoleApp) -> None:
    """Wait until Faust gives the app up."""
    await app._crashed.wait()
    raise RuntimeError(f"Faust gave {app.conf.id} up: {app.crash_reason!r}")


async def _until_stop(stop: asyncio.Event, tasks: list[asyncio.Task[None]], faults: list[str]) -> int:
    stopping = asyncio.create_task(stop.wait())
    pending: set[asyncio.Task[Any]] = {stopping, *tasks}
    while not stop.is_set():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task is not stopping and (error := task.exception()) is not None:
                faults.append(f"{type(error).__name__}: {error}")
                logger().error("worker ends", reason=faults[-1], exc_info=error)
                stopping.cancel()
                return 1
    return 0


async def _leave(
    settings: Settings, roles: Sequence[Role], tasks: list[asyncio.Task[None]], status: int
) -> None:
    """No new work, finish what is in flight, flush, commit, leave; after the deadline leave all the same."""
    logger().info("worker stops", timeout_s=settings.stop_timeout_s)
    for role in roles:
        role.begin_stop()
    if status == 0:
        try:
            async with asyncio.timeout(settings.stop_timeout_s + 3):
                await asyncio.gather(*(_stopped(role.app) for role in roles))
        except TimeoutError:
            logger().warning("left before Faust had stopped: what was unfinished is read again")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _stopped(app: RoleApp) -> None:
    stopping: Awaitable[None] = app.stop()
    await stopping


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
