"""The web server as tests start it, and a client that keeps no cookies of its own accord."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import ClientSession, DummyCookieJar
from aiohttp.web import Application

from app.kit.secrets import Secrets
from app.settings import load
from app.stream.kafka import new_producer
from app.web.context import Web
from app.web.server import listen
from app.web.who import Tokens
from tests.home import Dev, dev
from tests.shell import Shell

EDIT, VIEW = "the-token-that-edits", "the-token-that-views"
TOKENS = Tokens(EDIT, VIEW)


@asynccontextmanager
async def served(application: Application) -> AsyncIterator[ClientSession]:
    """Serve on a free port of loopback; yields a client of it that follows no redirects by itself."""
    runner = await listen(application, "127.0.0.1", 0)
    host, port = runner.addresses[0]
    try:
        async with ClientSession(f"http://{host}:{port}", cookie_jar=DummyCookieJar()) as client:
            yield client
    finally:
        await runner.cleanup()


@contextmanager
def web_dev(folder: Path, **environ: str) -> Iterator[Dev]:
    """A `postbacks dev` with both tokens, ready."""
    tokens = {"POSTBACKS_TOKEN": EDIT, "POSTBACKS_VIEW_TOKEN": VIEW}
    with dev(Shell(folder, tokens | environ), "--port", "0") as started:
        yield started.wait()


def bearer(token: str) -> dict[str, str]:
    """The header of a program with a token."""
    return {"Authorization": f"Bearer {token}"}


def web_role(tokens: Tokens, folder: Path, *, ready: bool = True) -> Web:
    """A web role without Kafka and ClickHouse, for what needs neither."""
    settings = load({"POSTBACKS_DATA_DIR": str(folder), "POSTBACKS_WORKER": "w1"})
    made = Web(settings, tokens, new_producer(settings), Secrets({}))
    if ready:
        made.flows.ready.set()
        made.states.ready.set()
    return made
