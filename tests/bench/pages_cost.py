"""How long each page takes over a million rows of the log, for each filter; fails beyond 300 ms at p95.

.venv/bin/python -m tests.bench.pages_cost [--rows 1000000]

ClickHouse is the embedded one, in a process of its own; the pages are asked over HTTP, one after the other.
Each request asks for another value, so that no cache of ClickHouse answers it.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import ClientSession

from app.log.migrate import migrate
from app.log.writer import connect, database_of
from app.queries.stats import refresh
from app.web.server import new_server
from app.web.who import Tokens
from tests.clickhouse import start_clickhouse, stop_clickhouse
from tests.web import served, web_role

LIMIT_MS = 300.0
TIMES = 20
_AT_ONCE = 100_000
_SQL = (Path(__file__).parent / "pages_rows.sql").read_text()
_LOG = "/logs/outgoing-postbacks"
_DAY_MS = 86_400_000
Address = Callable[[int], str]

FILTERS: dict[str, Address] = {
    "none": lambda n: f"{_LOG}?until={n + 1}s",
    "flow": lambda n: f"{_LOG}?flow=F-{n}",
    "postback": lambda n: f"{_LOG}?postback=fb&until={n + 1}s",
    "lead": lambda n: f"{_LOG}?lead=L-{n * 977}",
    "click": lambda n: f"{_LOG}?click=c-nobody-{n}",
    "host": lambda n: f"{_LOG}?host=h{n}.example",
    "outcome": lambda n: f"{_LOG}?outcome=failed&outcome=retrying&until={n + 1}s",
    "code": lambda n: f"{_LOG}?code=4xx&until={n + 1}s",
    "event": lambda n: f"{_LOG}?event=approve&until={n + 1}s",
    "since": lambda n: f"{_LOG}?since={n + 1}h",
    "until": lambda n: f"{_LOG}?until={n * 5 + 1}h",
    "utm_source": lambda n: f"{_LOG}?utm_source=google&until={n + 1}s",
    "utm_campaign": lambda n: f"{_LOG}?utm_campaign={quote(f'campaign {n}')}",
    "utm_content": lambda n: f"{_LOG}?utm_content={quote(f'content {n}')}",
    "utm_term": lambda n: f"{_LOG}?utm_term={quote(f'term {n}')}",
    "utm_medium": lambda n: f"{_LOG}?utm_medium=cpc&until={n + 1}s",
    "subid": lambda n: f"{_LOG}?subid=s{n}",
    "text, in many": lambda n: f"{_LOG}?text={quote(f'accepted {n}')}",
    "text, in none": lambda n: f"{_LOG}?text={quote(f'nobody wrote {n}')}",
}


def main() -> int:
    """Print the table; 1 when a page is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    process, address = start_clickhouse()
    try:
        return 1 if asyncio.run(slow_pages(f"{address}/pages", rows, TIMES)) else 0
    finally:
        stop_clickhouse(process)


async def slow_pages(url: str, rows: int, times: int) -> list[str]:
    """Make the rows in the URL's database, ask each page so often, print its times; those over the limit."""
    client = await connect(url, use_database=False)
    await migrate(client, database=database_of(url), log_ttl_days=90)
    begin_s = time.monotonic()
    for first in range(0, rows, _AT_ONCE):
        asked = {"rows": rows, "first": first, "count": min(_AT_ONCE, rows - first)}
        await client.command(_SQL, parameters=asked)
    await refresh(client)
    print(f"{rows:,} rows made in {time.monotonic() - begin_s:.0f} s; {times} requests each, ms")
    print(f"{'page':<28}{'p50':>8}{'p95':>8}")
    with tempfile.TemporaryDirectory() as folder:
        role = web_role(Tokens(is_open=True), Path(folder))
        role.settings = replace(role.settings, clickhouse=url)
        role.clickhouse._url = url
        async with served(new_server(lambda: [], role.tokens, role)) as pages:
            slow = [
                name
                for name, page in (await _pages(client, rows)).items()
                if await _is_slow(pages, name, page, times)
            ]
        await role.close()
    await client.close()
    if slow:
        print(f"over {LIMIT_MS:g} ms: {', '.join(slow)}")
    return slow


async def _pages(client: Any, rows: int) -> dict[str, Address]:
    """All that is asked for: each filter, deep pages, Show, a lead, the overview."""
    result = await client.query(
        "SELECT request_id FROM postback_log WHERE attempt > 0 ORDER BY lead_id LIMIT 50"
    )
    ids = [row[0] for row in result.result_rows]
    now_ms = time.time_ns() // 1_000_000
    deep = now_ms - 6 * _DAY_MS
    return {
        **FILTERS,
        "page 1000 and beyond": lambda n: f"{_LOG}?before={deep - n * 60_000}.0.0.0",
        "Show": lambda n: f"{_LOG}/{ids[n]}",
        "lead": lambda n: f"/leads/L-{n * 991 % (rows // 4)}",
        "overview, an hour": lambda n: "/?span=1h",
        "overview, a day": lambda n: "/?span=24h",
        "overview, a week": lambda n: "/?span=7d",
    }


async def _is_slow(pages: ClientSession, name: str, page: Address, times: int) -> bool:
    took_ms = []
    for number in range(times + 1):
        begin_s = time.perf_counter()
        async with pages.get(page(number)) as answer:
            await answer.read()
            assert answer.status == 200, (name, answer.status)
        took_ms.append((time.perf_counter() - begin_s) * 1000)
    sorted_ms = sorted(took_ms[1:])  # the first one reads what is on disk
    p50, p95 = sorted_ms[times // 2], sorted_ms[round(times * 0.95) - 1]
    print(f"{name:<28}{p50:>8.0f}{p95:>8.0f}", flush=True)
    return p95 > LIMIT_MS


if __name__ == "__main__":
    raise SystemExit(main())
