"""Everything on one machine: a broker, ClickHouse, all roles in this process, flows from a folder.

Both engines are child processes that end with this one, however it ends: chDB too, because its import and
its long statements would hold up the roles' event loop. What they hold is of one run, so the folder of
tables and data is emptied at each start: the broker begins at offset 0.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from app.embedded import broker, clickhouse
from app.embedded.child import Child
from app.kit import home
from app.kit.environment import own_environment
from app.kit.logs import logger
from app.kit.process import StartFault
from app.kit.secrets import Secrets
from app.settings import Settings, load

PARTITIONS = 4
SESSION_S = 2.0  # the embedded broker answers who joins a group after half of it
STOP_S = 2.0  # what is in flight is lost with the broker anyway
DATABASE = "postbacks"
_LOOK_S = 0.02
_Got = TypeVar("_Got")


class Home:
    """What runs: its settings with the addresses, the flows of its folder at the start, how it may end.

    `taken` is the socket of its pages.
    """

    def __init__(self, settings: Settings, taken: socket.socket) -> None:
        self.settings = settings
        self.taken = taken
        self.flows: tuple[str, ...] = ()
        self.children: list[Child] = []
        self._ends: list[asyncio.Task[str]] = []

    def add(self, child: Child) -> None:
        """One more engine."""
        self.children.append(child)
        self.watch(child.ended())

    def watch(self, end: Coroutine[Any, Any, str]) -> None:
        """One more thing that is to run for ever, which says how it ended."""
        self._ends.append(asyncio.create_task(end))

    async def ended(self) -> str:
        """Wait for the end of what was to run for ever; says what and how."""
        done, _ = await asyncio.wait(self._ends, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()

    async def during(self, work: Coroutine[Any, Any, _Got]) -> _Got:
        """Do something while all runs. Raises `StartFault` when something ends first, and as `work` does."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task, *self._ends), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise StartFault(await self.ended())
        finally:
            task.cancel()

    def cancel(self) -> None:
        """Look no more."""
        for end in self._ends:
            end.cancel()


def home_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of `environ`, with as many partitions as one machine needs. Raises `SettingsFault`."""
    told = environ.get("POSTBACKS_PARTITIONS", "").strip()
    return load({**environ, "POSTBACKS_PARTITIONS": told or str(PARTITIONS)})


@asynccontextmanager
async def at_home(
    settings: Settings, *, flows: Path | None = None, tell: Callable[[str], None] | None = None
) -> AsyncIterator[Home]:
    """Run everything; yields once all of it is ready, its addresses written into `settings.data_dir`.

    `flows` is a folder of flow files, which is watched; what happens is told to `tell` or the log, a line
    each. At the end the roles stop, then the engines. Raises `StartFault` when it cannot start, and as
    `Work.running` when the stop fails.
    """
    say = tell or logger().info
    async with AsyncExitStack() as stack:
        stack.enter_context(home.hold(settings.data_dir))
        here = await _with_engines(stack, settings, say)
        await _with_roles(stack, here, flows, say)
        stack.enter_context(_announced(settings.data_dir, here.settings))
        yield here


async def _with_engines(stack: AsyncExitStack, settings: Settings, say: Callable[[str], None]) -> Home:
    """Start the engines; they need a second or two until they listen."""
    taken = stack.enter_context(_web_socket(settings))
    folder = _emptied(settings.data_dir / "dev.data")
    kafka, kafka_child = await stack.enter_async_context(broker.start())
    database = clickhouse.start(folder / "clickhouse")
    http, database_child = await stack.enter_async_context(database)
    here = Home(
        replace(
            settings,
            kafka=kafka,
            kafka_session_timeout_s=SESSION_S,
            clickhouse=f"{http.replace('://', '://default:@')}/{DATABASE}",
            data_dir=folder,
            web_port=taken.getsockname()[1],
            stop_timeout_s=min(settings.stop_timeout_s, STOP_S),
        ),
        taken,
    )
    stack.callback(here.cancel)
    for child in (kafka_child, database_child):
        here.add(child)
    say("starting a broker, ClickHouse and all roles on this machine …")
    return here


async def _with_roles(
    stack: AsyncExitStack, here: Home, flows: Path | None, say: Callable[[str], None]
) -> None:
    """Wait for the engines, make topics and tables, start the roles; returns when all are ready."""
    from app.main import ROLES, Work  # while the engines start: it is a second's import

    secrets = Secrets(own_environment(), here.settings.secrets_dir)
    work = Work(here.settings, ROLES, secrets)
    await stack.enter_async_context(work.answering(here.taken))
    for child in here.children:
        await here.during(child.listening())
    await here.during(_migrate(here.settings))
    if flows is not None:
        await stack.enter_async_context(_followed(here, flows, secrets, say))
    await stack.enter_async_context(work.running())
    here.watch(work.ended())
    stack.callback(here.cancel)  # before the roles stop, whose end is then no news
    await here.during(_ready(work.waits_for))


def _emptied(folder: Path) -> Path:
    """The folder without what a run before has left in it, and nothing else taken out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("clickhouse", "join", "outbound", "log"):
            shutil.rmtree(folder / name, ignore_errors=True)
    except OSError as error:
        raise StartFault(f"cannot write to {folder} ({error.strerror}): set POSTBACKS_DATA_DIR") from error
    return folder.resolve()


def _web_socket(settings: Settings) -> socket.socket:
    """The socket of the pages, on a free port for 0: taken before anything starts that could take it."""
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    try:
        return socket.create_server((settings.web_host, settings.web_port), family=family)
    except OSError as error:
        raise StartFault(
            f"cannot listen on {settings.web_host}:{settings.web_port} ({error.strerror}): choose another "
            "port with --port or POSTBACKS_WEB; --port 0 takes a free one"
        ) from error


async def _migrate(settings: Settings) -> None:
    from app.log.migrate import migrate
    from app.log.writer import connect
    from app.stream.migrate import migrate_topics

    await migrate_topics(settings)
    client = await connect(settings.clickhouse, use_database=False)
    try:
        await migrate(client, database=DATABASE, log_ttl_days=settings.log_ttl_days)
    finally:
        await client.close()


@asynccontextmanager
async def _followed(
    here: Home, flows: Path, secrets: Secrets, tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Follow a folder of flows; what it says is written before anything is sent."""
    from app.embedded.folder import Folder

    folder = Folder(here.settings, flows, secrets, tell)
    watching = asyncio.create_task(folder.watch())
    here.watch(_watched(watching))
    try:
        await here.during(folder.ready.wait())
        here.flows = tuple(folder.made)
        yield
    finally:
        watching.cancel()
        await asyncio.wait((watching,))


async def _watched(watching: asyncio.Task[None]) -> str:
    await asyncio.wait((watching,))
    error: BaseException | None = watching.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"the folder of flows is not watched any more: {type(error).__name__}: {error}"


async def _ready(waits_for: Any) -> None:
    while waits_for():  # noqa: ASYNC110 - roles tell what they wait for when they are asked
        await asyncio.sleep(_LOOK_S)


@contextmanager
def _announced(data_dir: Path, settings: Settings) -> Iterator[None]:
    """Tell the addresses to other commands with the same data directory, as long as all runs."""
    home.write(data_dir, addresses(settings))
    try:
        yield
    finally:
        home.remove(data_dir)


def addresses(settings: Settings) -> dict[str, str]:
    """The variables with which other commands find what runs here."""
    return {
        "POSTBACKS_KAFKA": settings.kafka,
        "POSTBACKS_KAFKA_SESSION_TIMEOUT": f"{settings.kafka_session_timeout_s:g}",
        "POSTBACKS_CLICKHOUSE": settings.clickhouse,
        "POSTBACKS_PREFIX": settings.prefix,
        "POSTBACKS_PARTITIONS": str(settings.partitions),
        "POSTBACKS_DATA_DIR": str(settings.data_dir),
        "POSTBACKS_WEB": f"{settings.web_host}:{settings.web_port}",
        "POSTBACKS_ALLOW_NETWORKS": ",".join(map(str, settings.allow_networks)),
    }
