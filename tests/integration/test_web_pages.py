"""The pages' routes over a real ClickHouse: each filter, paging while rows arrive, downloads, masking."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import ClientSession

from app.log.writer import Writer
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from app.queries.filters import TAGS
from app.web.server import new_server
from tests.clickhouse import Database
from tests.log_batches import log_batch
from tests.web import EDIT, TOKENS, VIEW, bearer, served, web_role

pytestmark = pytest.mark.chdb
NOON_MS = 1_795_521_600_000
LOG = "/logs/outgoing-postbacks"
COUNT = 2300


def record(number: int, **told: Any) -> LogRecord:
    """A row with something in every column that is filtered by."""
    tags = {tag: f"{tag}-{number % 7}" for tag in TAGS}
    return LogRecord(
        **{
            "logged_at": NOON_MS + number * 3,
            "requested_at": NOON_MS + number * 3 - 2,
            "outcome": ("delivered", "failed")[number % 11 == 0],
            "attempt_id": f"a{number}",
            "attempt": 1,
            "source": Address(0, number),
            "source_topic": "p.postback-requests",
            "request_id": f"r{number}",
            "lead_id": f"L-{number % 50}",
            "lead_flow_id": f"F-{number % 3}",
            "click_id": f"c-{number % 60}",
            "flow_id": f"F-{number % 3}",
            "postback_id": ("fb", "tracker")[number % 2],
            "event": ("approve", "goal:1")[number % 5 == 0],
            "method": "GET",
            "host": f"h{number % 4}.example",
            "url": f"https://h{number % 4}.example/p?n={number}",
            "response_status": (200, 404)[number % 11 == 0],
            "response_body": f"=said {number % 9}",
            "tags": Tags(**tags),
            **told,
        }
    )


async def store(database: Database, *records: LogRecord, first: int = 0) -> None:
    """Rows as LOG stores them."""
    writer = Writer(database.url)

    async def never(bad: Any) -> None:
        raise AssertionError(bad)

    await writer.insert(log_batch((Address(0, first + at), one) for at, one in enumerate(records)), never)
    await writer.close()


@pytest.fixture
async def pages(clickhouse: Database, tmp_path: Path) -> AsyncIterator[ClientSession]:
    role = web_role(TOKENS, tmp_path)
    role.settings = replace(role.settings, clickhouse=clickhouse.url)
    role.clickhouse._url = clickhouse.url
    async with served(new_server(lambda: [], TOKENS, role)) as client:
        yield client
    await role.close()


async def text_of(pages: ClientSession, path: str, token: str = EDIT, status: int = 200) -> str:
    async with pages.get(path, headers=bearer(token)) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return text


def shown_in(page: str) -> list[str]:
    """The requests that a page of the log lists."""
    return re.findall(rf'class="show" href="{LOG}/([^"]+)"', page)


_FILTERS = {
    "flow": ("F-1", "flow_id = 'F-1'"),
    "lead_flow": ("F-2", "lead_flow_id = 'F-2'"),
    "postback": ("fb", "postback_id = 'fb'"),
    "lead": ("L-7", "lead_id = 'L-7'"),
    "click": ("c-9", "click_id = 'c-9'"),
    "host": ("h3.example", "host = 'h3.example'"),
    "outcome": ("failed", "outcome = 'failed'"),
    "code": ("4xx", "response_status >= 400"),
    "event": ("goal:1", "event = 'goal:1'"),
    "text": ("SAID 3", "response_body LIKE '%said 3%'"),
    "since": ("2026-11-24T12:00:06Z", "logged_at >= '2026-11-24 12:00:06'"),
    "until": ("2026-11-24T12:00:06Z", "logged_at < '2026-11-24 12:00:06'"),
    **{tag: (f"{tag}-3", f"{tag} = '{tag}-3'") for tag in TAGS},
}


async def test_each_filter_lists_and_downloads_what_the_sql_says(
    clickhouse: Database, pages: ClientSession
) -> None:
    await store(clickhouse, *map(record, range(COUNT)))
    for name, (value, condition) in _FILTERS.items():
        rows = await clickhouse.rows(
            f"SELECT request_id FROM postback_log FINAL WHERE {condition} ORDER BY logged_at DESC"
        )
        wanted = [row[0] for row in rows]
        assert 0 < len(wanted) < COUNT
        async with pages.get(LOG, params={name: value}, headers=bearer(EDIT)) as answer:
            assert shown_in(await answer.text()) == wanted[:50], name
        async with pages.get(f"{LOG}.jsonl", params={name: value}, headers=bearer(EDIT)) as answer:
            assert [json.loads(line)["request_id"] async for line in answer.content] == wanted, name
    file = (await text_of(pages, f"{LOG}.csv")).removeprefix("\ufeff")
    found = list(csv.DictReader(io.StringIO(file, newline="")))
    assert [row["request_id"] for row in found] == [f"r{number}" for number in reversed(range(COUNT))]
    assert "there is no filter" in await text_of(pages, f"{LOG}?flwo=F-1", status=400)
    assert "write 404 or 5xx" in await text_of(pages, f"{LOG}?code=x", status=422)
    assert "POSTBACKS_TOKEN" in await text_of(pages, f"{LOG}?text=a", VIEW, status=403)


async def test_paging_skips_and_doubles_nothing_while_rows_arrive(
    clickhouse: Database, pages: ClientSession
) -> None:
    await store(clickhouse, *map(record, range(400)))
    found: list[str] = []
    path, arrived = LOG, 400
    while path:
        page = await text_of(pages, path)
        found += shown_in(page)
        newer = [record(number) for number in range(arrived, arrived + 60)]
        await store(clickhouse, *newer, first=arrived)
        await store(clickhouse, *map(record, range(100)))  # and old ones once more
        arrived += 60
        older = re.findall(r'href="([^"]+)" rel="next"', page)
        path = older[0].replace("&amp;", "&") if older else ""
    assert found == [f"r{number}" for number in reversed(range(400))]


async def test_live_sends_what_is_new_to_who_may_see_it(clickhouse: Database, pages: ClientSession) -> None:
    await store(clickhouse, record(1))
    async with pages.get(f"{LOG}/live?postback=fb", headers=bearer(VIEW)) as answer:
        assert await answer.content.readline() == b": live\n"
        person = "olha%40example.com"
        await store(
            clickhouse,
            record(2, postback_id="fb", url=f"https://h.example/?e={person}", lead_id="L-<b>"),
            record(3, postback_id="tracker"),
            first=2,
        )
        async with asyncio.timeout(30):
            told = (await answer.content.readuntil(b"</tr>")).decode()
    assert "event: rows" in told
    assert "L-&lt;b&gt;" in told
    assert person not in told
    assert "r3" not in told


async def test_what_is_not_there_is_told(clickhouse: Database, pages: ClientSession) -> None:
    assert "Paste a link" in await text_of(pages, "/")
    assert "Nothing was sent yet" in await text_of(pages, LOG)
    assert "in the log" in await text_of(pages, f"{LOG}/nothing", status=404)
    assert "no lead" in await text_of(pages, "/leads/%3Cb%3E%7Bx%7D", status=404)
    async with pages.post(f"{LOG}/r1/send-again", headers=bearer(VIEW)) as answer:
        assert answer.status == 403
    async with pages.get(LOG, allow_redirects=False) as answer:
        assert (answer.status, unquote(answer.headers["Location"])) == (303, f"/login?next={LOG}")
