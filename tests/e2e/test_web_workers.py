"""Workers of the role web alone, over Apache Kafka: they read and write all, and two of them harm nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from aiohttp import ClientSession

from app.messages.envelope import unpack
from app.messages.request import Request
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.receivers import Exchange, Receiver, answer
from tests.workers import Installation, WorkerProcess, installation, lead_events, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(240)]

_LOG = "/logs/outgoing-postbacks"
_LEADS = [f"L-{number}" for number in range(20)]


@dataclass
class Tried:
    """Two web workers with a client each, the worker that does the work, and a receiver of each kind."""

    made: Installation
    work: WorkerProcess
    webs: list[ClientSession]
    good: Receiver
    dark: Receiver
    opened: asyncio.Event

    async def api(self, method: str, path: str, body: Any, at: int = 0) -> tuple[int, Any]:
        """What one of the web workers answers."""
        async with self.webs[at].request(method, path, json=body) as got:
            return got.status, json.loads(await got.read())

    async def text(self, path: str, at: int = 0) -> str:
        """A page."""
        async with self.webs[at].get(path) as got:
            text = await got.text()
            assert got.status == 200, (path, text)
            return text

    def leads_at(self, path: str) -> Counter[str]:
        """How often each lead came to a path of the good receiver."""
        targets = [urlsplit(one.target.decode()) for one in self.good.requests]
        return Counter(parse_qs(one.query)["lead"][0] for one in targets if one.path == path)


@pytest.fixture
async def tried(kafka: Kafka, clickhouse: Database, tmp_path: Path) -> AsyncIterator[Tried]:
    opened = asyncio.Event()

    async def by_path(exchange: Exchange) -> None:
        path = urlsplit(exchange.received.target.decode()).path
        if path == "/held":
            await opened.wait()
        await answer(404 if path == "/gone" else 200)(exchange)

    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(installation(kafka, clickhouse, tmp_path))
        good = await stack.enter_async_context(Receiver(by_path))
        dark = await stack.enter_async_context(Receiver(answer(503), host="127.0.0.2"))
        workers = [made.start("web", "web-1"), made.start("web", "web-2"), made.start(name="work")]
        *webs, work = [await worker.ready() for worker in workers]
        clients = [
            await stack.enter_async_context(ClientSession(f"http://127.0.0.1:{web.web_port}")) for web in webs
        ]
        yield Tried(made, work, clients, good, dark, opened)


async def _save(tried: Tried, flow_id: str, link: str) -> None:
    postback = {"id": "fb", "on": ["new"], "template": link + "?lead={id}", "timeout_s": 30}
    flow = {"flow_id": flow_id, "postbacks": [postback]}
    status, told = await tried.api("PUT", f"/api/flows/{flow_id}", flow)
    assert status == 201, told


async def test_web_workers_alone_show_what_needs_a_person_and_two_that_release_at_once_send_once(
    tried: Tried,
) -> None:
    await _save(tried, "F-ok", tried.good.url("/ok"))
    await _save(tried, "F-gone", tried.good.url("/gone"))
    await _save(tried, "F-dark", tried.dark.url("/dark"))
    await _save(tried, "F-held", tried.good.url("/held"))
    for worker in tried.webs:
        async with worker.get("/metrics") as got:
            assert "postbacks_lead_events_total{" not in await got.text()  # JOIN is not here
    await _everything_at_one_of_them(tried)
    await _what_needs_a_person_at_the_other(tried)
    await _released_by_both(tried)


async def _everything_at_one_of_them(tried: Tried) -> None:
    """Events go in, a preview is made, and each page shows what the other process did with them."""
    events = [one for flow in ("F-ok", "F-gone", "F-dark") for one in lead_events([flow[2:]], "new", flow)]
    assert (await tried.api("POST", "/api/lead-events", events))[0] == 202
    asked = {"template": tried.good.url("/p?c={click}"), "event": {"click": {"id": "c 9"}}}
    status, told = await tried.api("POST", "/api/preview", asked)
    assert (status, told["url"]) == (200, tried.good.url("/p?c=c%209")), told
    await until(lambda: tried.made.rows("1", "outcome = 'delivered'", n=1), tried.work.tail)
    assert "F-ok" in await tried.text(_LOG)
    assert "F-ok" in await tried.text("/flows", at=1)
    assert "/ok?lead={id}" in await tried.text("/flows/F-ok", at=1)
    assert tried.good.url("/ok?lead=ok") in (await tried.text("/leads/ok")).replace("&#34;", '"')


async def _what_needs_a_person_at_the_other(tried: Tried) -> None:
    """A dark host, a flow that only fails, a parked postback: told with numbers, and where to look."""
    parked = {"flow_id": "F-held", "postback_id": "fb", "state": "parked", "why": "the pixel moves"}
    assert (await tried.api("POST", "/api/states", parked))[0] == 200
    await until(lambda: tried.work.metric("postbacks_parked_postbacks") == 1, tried.work.tail)
    await tried.made.send(*lead_events(_LEADS, "new", "F-held"))
    wanted = (
        "127.0.0.2: ",
        "failed attempts and no delivery in the last ten minutes",
        "Flow F-gone: 1 failed and nothing was delivered in this time",
        "F-held fb is parked since ",
        f"the pixel moves. {len(_LEADS)} requests wait.",
    )

    async def told() -> bool:
        page = await tried.text("/", at=1)
        return all(words in page for words in wanted)

    await until(told, tried.work.tail)
    page = await tried.text("/?span=1h", at=1)
    for link in ("host=127.0.0.2", "flow=F-gone&amp;outcome=failed", "flow=F-held&amp;postback=fb"):
        assert f'href="{_LOG}?{link}' in page
    assert "Flow F-ok" not in page
    assert "F-gone" in await tried.text(f"{_LOG}?flow=F-gone&outcome=failed")


async def _released_by_both(tried: Tried) -> None:
    """Both let go all of it before anything is answered; each request arrives once all the same."""
    asked = {"flow_id": "F-held", "postback_id": "fb", "state": "active", "confirm": True, "rate_per_s": 500}
    answers = await asyncio.gather(*(tried.api("POST", "/api/states", asked, at) for at in (0, 1)))
    assert [(status, told["kept"], told["releasing"]) for status, told in answers] == [(202, 20, True)] * 2
    await until(lambda: _let_go_twice(tried), tried.work.tail)
    tried.opened.set()
    rows = await until(
        lambda: tried.made.rows("lead_id", "flow_id = 'F-held' AND outcome = 'delivered'", n=20),
        tried.work.tail,
    )
    assert len(rows) == 20

    async def active() -> bool:
        told = [await tried.api("POST", "/api/states", asked | {"confirm": False}, at) for at in (0, 1)]
        return all((one["state"], one["kept"], one["releasing"]) == ("active", 0, False) for _, one in told)

    await until(active, tried.work.tail)
    await tried.made.send(*lead_events(["after"], "new", "F-held"))
    await until(lambda: tried.leads_at("/held")["after"], tried.work.tail)
    assert tried.leads_at("/held") == Counter([*_LEADS, "after"])


async def _let_go_twice(tried: Tried) -> bool:
    """Whether each kept request lies in `postback-requests` as let go by both."""
    topic = tried.made.settings.topics.requests.name
    values = [value for one in await read_topic(tried.made.settings, topic) for value in unpack(one.value)]
    requests = [msgspec.json.decode(value, type=Request) for value in values]
    let_go = Counter(request.request_id for request in requests if request.released >= 0)
    return sorted(let_go.values()) == [2] * len(_LEADS)
