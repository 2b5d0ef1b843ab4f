"""The one composition root: settings in, the roles of one process out, started and stopped in order.

Crash-only: a role that cannot keep its promise (Kafka refuses for good, a bug) ends the process with
status 1 and a line that says why; what was not acknowledged is done again after the restart.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, NoReturn, Protocol

import uvloop
from aiohttp.web import Application

from app.join.agent import Join
from app.kit.health import tell_disk, tell_loop_lag
from app.kit.logs import hide_in_logs, logger
from app.kit.process import StartFault, collect_rarely, end, told_to_stop
from app.kit.secrets import Secrets
from app.kit.traces import Traces
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
from app.stream.watchdog import Reading, Watchdog
from app.web.context import Web
from app.web.inbound import read_inbound
from app.web.origin import is_loopback
from app.web.server import listen, new_server
from app.web.who import Tokens

_LEAVE_S = 3.0  # beyond stop_timeout_s, for Faust and Kafka; a container's grace must be longer than both
ROLES = ("join", "outbound", "log", "web")


class Role(Protocol):
    """What the root asks of a role."""

    name: str
    app: RoleApp

    def jobs(self, stopping: asyncio.Event) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs beside Faust; a job that raises, or ends before `stopping`, ends the process."""
        ...

    def reads(self) -> Sequence[Reading]:
        """Its consumers, which the watchdog looks at."""
        ...

    def waits_for(self) -> list[str]:
        """What is missing until it is ready, a line each."""
        ...


class StopFault(Exception):
    """The roles did not stop as they should; the text says which and why. The rest is read again."""


def run(settings: Settings, roles: Sequence[str], secrets: Secrets) -> NoReturn:
    """Run `roles` until SIGTERM or SIGINT; the process ends here, with status 0 after an orderly stop.

    It does not wait for threads that hang in a name server or in Kafka. Raises as `Work.running`.
    """
    collect_rarely()
    end(asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_work(settings, roles, secrets)))


async def _work(settings: Settings, roles: Sequence[str], secrets: Secrets) -> int:
    stop = told_to_stop()
    await check_topics(settings)
    work = Work(settings, roles, secrets)
    try:
        async with work.answering(), work.running():
            ended = asyncio.create_task(work.ended())
            await asyncio.wait((asyncio.create_task(stop.wait()), ended), return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                end(1)
            ended.cancel()
    except StopFault as fault:
        logger().error("the stop failed", reason=str(fault))
        end(1)
    return 0


def tokens_of(settings: Settings) -> Tokens:
    """The tokens that are asked for: none where the server listens on loopback alone and has none.

    Raises `StartFault` for a server that other machines reach and that has none.
    """
    tokens = Tokens(settings.token, settings.view_token)
    if tokens.edit or tokens.view:
        return tokens
    if not is_loopback(settings.web_host):
        raise StartFault(
            f"POSTBACKS_WEB={settings.web_host}:{settings.web_port} is reached from other machines: "
            "set POSTBACKS_TOKEN, which edits, or POSTBACKS_VIEW_TOKEN, which views, also /metrics"
        )
    return Tokens(is_open=True)


@asynccontextmanager
async def _listening(
    server: Application, settings: Settings, taken: socket.socket | None
) -> AsyncIterator[None]:
    """Serve on the address of the settings. Raises `StartFault`."""
    try:
        runner = await listen(server, settings.web_host, settings.web_port, taken)
    except OSError as error:
        raise StartFault(
            f"cannot listen on {settings.web_host}:{settings.web_port} ({os.strerror(error.errno or 0)}): "
            "set POSTBACKS_WEB to a free address"
        ) from error
    try:
        yield
    finally:
        await runner.cleanup()


class Work:
    """The roles of one process; made within its event loop. Raises `StartFault` and `SettingsFault`."""

    def __init__(self, settings: Settings, names: Sequence[str], secrets: Secrets) -> None:
        self._settings = settings
        self._names = names
        self._secrets = secrets
        self._tokens = tokens_of(settings)
        self._producer = new_producer(settings)
        inbound = read_inbound(settings.inbound)
        self._hidden = settings.passwords | inbound.tokens
        self._web = Web(settings, self._tokens, self._producer, secrets, inbound) if "web" in names else None
        self._roles: list[Role] = []
        self._jobs: list[asyncio.Task[Any]] = []

    def waits_for(self) -> list[str]:
        """What is missing until all are ready, a line each."""
        if not self._jobs:
            return ["the start"]
        missing = [f"{role.name}: {line}" for role in self._roles for line in role.waits_for()]
        return missing + (self._web.waits_for() if self._web else [])

    @asynccontextmanager
    async def answering(self, taken: socket.socket | None = None) -> AsyncIterator[None]:
        """Serve HTTP, from before the roles start until after they stopped. Raises `StartFault`.

        `taken` is a socket that listens on the address of the settings already.
        """
        server = new_server(self.waits_for, self._tokens, self._web)
        try:
            async with _listening(server, self._settings, taken):
                yield
        finally:
            await _within(_LEAVE_S, self._producer.stop)  # one that never started is closed too

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the roles; at the end they finish what is in flight, commit and leave.

        Raises `StartFault` and `KafkaError` when the start fails, `StopFault` when the stop does.
        """
        hide_in_logs(lambda: self._secrets.known() | self._hidden)
        async with AsyncExitStack() as stack:
            await self._producer.start()
            if self._web:
                stack.push_async_callback(_within, _LEAVE_S, self._web.close)
            traces = Traces(self._settings.traces, self._settings.worker) if self._settings.traces else None
            if traces is not None:
                stack.push_async_callback(_within, _LEAVE_S, traces.close)
            self._roles = [
                _role(name, self._settings, self._producer, self._secrets, traces, stack)
                for name in ROLES
                if name in self._names and name != "web"
            ]
            stopping = asyncio.Event()
            self._start(stopping)
            try:
                yield
            finally:
                stopping.set()
                await self._leave()

    def _start(self, stopping: asyncio.Event) -> None:
        roles = self._roles
        jobs = {"watchdog": [Watchdog(self._settings, roles).run()], "loop lag": [tell_loop_lag()]}
        jobs |= {f"{role.name}: Faust": [_faust(role.app)] for role in roles}
        jobs |= {role.name: list(role.jobs(stopping)) for role in roles}
        jobs |= {"web": self._web.jobs()} if self._web else {}
        self._jobs = [asyncio.create_task(job, name=name) for name, some in jobs.items() for job in some]
        logger().info("worker started", roles=list(self._names), worker=self._settings.worker)

    async def ended(self) -> str:
        """Wait for the end of what was to run for ever; says what and why."""
        done, _ = await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)
        return next(map(_tell, done))

    async def _leave(self) -> None:
        """No new work, finish what is in flight, commit, leave; after the deadline leave all the same."""
        timeout_s, now_s = self._settings.stop_timeout_s, asyncio.get_running_loop().time
        logger().info("worker stops", timeout_s=timeout_s)
        ends_s = now_s() + timeout_s + _LEAVE_S
        await _within(timeout_s + _LEAVE_S, lambda: _stop_in_order(timeout_s, self._roles))
        for job in self._jobs:
            job.cancel()
        left_s = max(0.0, ends_s - now_s())  # one that joins its group leaves it when the broker has answered
        done, hanging = await asyncio.wait(self._jobs, timeout=left_s + _LEAVE_S)
        for job in done:
            if not job.cancelled() and (error := job.exception()):
                raise StopFault(f"{job.get_name()}: {type(error).__name__}: {error}") from error
        if hanging:
            raise StopFault(f"{next(iter(hanging)).get_name()} does not end")


async def _within(timeout_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait so long for an orderly end and go on without: Faust swallows a cancellation while it stops.

    It would wait for ever for a Kafka that is away. Raises `StopFault` when the end fails.
    """
    task = asyncio.create_task(work())
    done, _ = await asyncio.wait((task,), timeout=timeout_s)
    if not done:
        task.cancel()
        logger().warning("left before all had stopped: what was unfinished is read again")
    elif error := task.exception():
        raise StopFault(f"{type(error).__name__}: {error}") from error


def _role(
    name: str,
    settings: Settings,
    producer: Any,
    secrets: Secrets,
    traces: Traces | None,
    stack: AsyncExitStack,
) -> Role:
    data_dir = settings.data_dir / name / settings.worker
    stack.enter_context(_locked(data_dir))
    tell_disk(data_dir)
    app = new_app(settings, name, data_dir)
    if name == "join":
        return Join(settings, app, producer, secrets, traces)
    if name == "outbound":
        return Outbound(settings, app, producer, secrets, new_courier(settings, secrets), traces)
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


async def _faust(app: RoleApp) -> None:
    """Run the app; returns when Faust has given it up."""
    await app.start()
    await app._crashed.wait()
    raise RuntimeError(f"Faust gave {app.conf.id} up: {app.crash_reason!r}")


def _tell(job: asyncio.Task[Any]) -> str:
    """Say why a job ended that was to run for ever."""
    error = job.exception()
    reason = f"{type(error).__name__}: {error}" if error else "it returned"
    logger().error("worker ends: a role did", role=job.get_name(), reason=reason, exc_info=error)
    return f"{job.get_name()}: {reason}"


async def _stop_in_order(timeout_s: float, roles: Sequence[Role]) -> None:
    """LOG last: it still stores the rows of what the others finish while they stop."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    logs = [role for role in roles if isinstance(role, Log)]
    await asyncio.gather(*(role.app.leave(timeout_s) for role in roles if role not in logs))
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
