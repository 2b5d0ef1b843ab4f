"""The log is filtered, paged and counted as asked, over a few thousand rows."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from app.log.migrate import migrate
from app.log.rows import BadRecord
from app.log.writer import Writer, connect
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from app.queries.filters import FilterFault, Filters
from app.queries.log import list_rows, rows_of_lead, show_request, show_row
from app.queries.overview import hosts, steps
from app.queries.rows import Counted, Listed
from app.queries.stats import GROUPS, refresh, stats
from tests.clickhouse import Database
from tests.log_batches import log_batch

pytestmark = pytest.mark.chdb
NOON_MS = 1_795_521_600_000  # 2026-11-24 12:00:00 UTC
HOUR_MS = 3_600_000
COUNT = 3000


def sample(n: int) -> LogRecord:
    """Of every kind something: three flows, two postbacks, a skip in ten, a failure in seven."""
    skipped, failed = n % 10 == 3, n % 7 == 2
    told: dict[str, Any] = {
        "logged_at": NOON_MS + n // 4 * 1000,  # four rows in each millisecond
        "requested_at": NOON_MS + n // 4 * 1000 - 50,
        "outcome": "skipped" if skipped else "failed" if failed else "delivered",
        "reason": "condition: geo" if skipped else "",
        "attempt_id": f"a{n}",
        "attempt": 0 if skipped else 1,
        "source": Address(n % 4, n),
        "source_topic": "p.lead-events" if skipped else "p.postback-requests",
        "request_id": "" if skipped else f"r{n}",
        "lead_id": f"L-{n % 500}",
        "click_id": f"c-{n}",
        "flow_id": f"F-{n % 3}",
        "postback_id": ("fb", "tracker")[n % 2],
        "event": ("approve", "goal:1")[n % 5 == 0],
        "host": "" if skipped else f"h{n % 3}.example",
        "url": "" if skipped else f"https://h{n % 3}.example/p?n={n}",
        "response_status": None if skipped else 500 + n % 4 if failed else 200,
        "response_body": "Fehler: Größe" if n == 1003 else "",
        "duration_ms": None if skipped else float(n % 100),
        "queued_ms": None if skipped else 5.0,
        "price": 12.5 if n % 2 else None,
        "tags": Tags(utm_source=("fb", "google")[n % 2], subid=f"s{n % 6}"),
    }
    return LogRecord(**told)


@pytest.fixture(scope="module")
def url(clickhouse_address: str) -> str:
    """A database that all tests of this module read."""
    link = f"{clickhouse_address}/test_queries_{os.getpid()}"
    asyncio.run(_fill(link))
    return link


async def _fill(link: str) -> None:
    client = await connect(link, use_database=False)
    await migrate(client, database=link.rsplit("/", 1)[1], log_ttl_days=3650)
    writer = Writer(link)
    for partition in range(4):
        numbers = range(partition, COUNT, 4)
        placed = [(Address(partition, n // 40, n // 4 % 10), sample(n)) for n in numbers]
        await writer.insert(log_batch(placed), _never)
        await writer.insert(log_batch(placed[:50]), _never)  # written once more, in another batch
    await refresh(client)
    await client.close()
    await writer.close()


async def _never(bad: BadRecord) -> None:
    raise AssertionError(bad)


@pytest.fixture
async def client(url: str) -> AsyncIterator[Any]:
    client = await connect(url)
    yield client
    await client.close()


async def all_pages(client: Any, filters: Filters, limit: int) -> list[Listed]:
    found: list[Listed] = []
    before = None
    while True:
        page = await list_rows(client, filters, limit=limit, before=before)
        assert len(page.rows) <= limit
        found += page.rows
        before = page.next
        if before is None:
            return found
        assert len(page.rows) == limit


@pytest.mark.parametrize("limit", [499, 3000, 10_000])
async def test_pages_hold_every_row_once_newest_first(client: Any, limit: int) -> None:
    found = await all_pages(client, Filters(), limit)
    assert len(found) == COUNT
    assert {row.attempt_id for row in found} == {f"a{n}" for n in range(COUNT)}
    keys = [(row.logged_at, row.log_partition, row.log_offset, row.log_index) for row in found]
    assert keys == sorted(keys, reverse=True)


async def test_a_page_may_end_between_rows_of_one_millisecond(client: Any) -> None:
    found = await all_pages(client, Filters(until_ms=NOON_MS + 5_000), 3)
    assert sorted(row.attempt_id for row in found) == sorted(f"a{n}" for n in range(20))


async def test_a_row_that_came_again_elsewhere_is_listed_once_and_where_it_came_last(
    clickhouse: Database,
) -> None:
    writer = Writer(clickhouse.url)
    for again in range(2):  # the later rows of the first time come again, a minute later
        numbers = range(20) if not again else range(10, 20)
        records = [
            msgspec.structs.replace(sample(n), logged_at=NOON_MS + again * 60_000 + n) for n in numbers
        ]
        placed = [(Address(0, 100 * again + n), r) for n, r in zip(numbers, records, strict=True)]
        await writer.insert(log_batch(placed), _never)
    await writer.close()
    for limit in (1, 3, 7, 50):
        found = await all_pages(clickhouse.client, Filters(), limit)
        assert [row.attempt_id for row in found] == [f"a{n}" for n in (*range(19, 9, -1), *range(9, -1, -1))]
    assert (await list_rows(clickhouse.client, Filters(until_ms=NOON_MS + 60_000), limit=50)).rows == found[
        10:
    ]


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        (Filters(flow="F-1"), lambda n: n % 3 == 1),
        (Filters(postback="fb"), lambda n: n % 2 == 0),
        (Filters(lead="L-77"), lambda n: n % 500 == 77),
        (Filters(click="c-1234"), lambda n: n == 1234),
        (Filters(host="h2.example"), lambda n: n % 3 == 2 and n % 10 != 3),
        (Filters(event="goal:1"), lambda n: n % 5 == 0),
        (Filters(outcomes=("skipped",)), lambda n: n % 10 == 3),
        (Filters(outcomes=("skipped", "failed")), lambda n: n % 10 == 3 or n % 7 == 2),
        (Filters(codes=(500, 599)), lambda n: n % 7 == 2 and n % 10 != 3),
        (Filters(codes=(502, 502)), lambda n: n % 7 == 2 and n % 10 != 3 and n % 4 == 2),
        (Filters(tags={"utm_source": "google", "subid": "s3"}), lambda n: n % 6 == 3),
        (Filters(text="GRÖSSE"), lambda n: False),
        (Filters(text="größe"), lambda n: n == 1003),
        (Filters(text="CONDITION: GEO"), lambda n: n % 10 == 3),
        (Filters(text="P?N=29", flow="F-0"), lambda n: n % 3 == 0 and n % 10 != 3 and f"{n}"[:2] == "29"),
        (Filters(since_ms=NOON_MS + 700_000), lambda n: n // 4 >= 700),
        (Filters(until_ms=NOON_MS + 2_000), lambda n: n // 4 < 2),
        (Filters(flow="nobody's"), lambda n: False),
        (Filters(flow="x' OR '1'='1"), lambda n: False),
        (Filters(text="%"), lambda n: False),
    ],
)  # fmt: skip
async def test_each_filter_finds_its_rows_and_no_other(client: Any, filters: Filters, holds: Any) -> None:
    found = await all_pages(client, filters, 1000)
    assert sorted(row.attempt_id for row in found) == sorted(f"a{n}" for n in range(COUNT) if holds(n))


async def test_a_row_has_what_was_written(client: Any) -> None:
    (row,) = (await list_rows(client, Filters(click="c-1001"))).rows
    assert (row.flow_id, row.postback_id, row.lead_id, row.subid) == ("F-2", "tracker", "L-1", "s5")
    assert (row.response_status, row.duration_ms, str(row.price)) == (200, 1.0, "12.500000")
    assert row.logged_at.isoformat() == "2026-11-24T12:04:10+00:00"


async def test_a_request_is_shown_with_all_its_attempts_in_order(clickhouse: Database) -> None:
    life = [
        LogRecord(
            logged_at=NOON_MS + at,
            requested_at=NOON_MS,
            outcome=outcome,  # type: ignore[arg-type]  # each is one
            attempt_id=f"a{at}",
            attempt=attempt,
            attempts=2,
            source=Address(0, 1),
            source_topic="p.postback-requests",
            request_id="r",
            request_headers={"Content-Type": "application/json"},
            request_body='{"a":"\x1b[31m"}',
            response_headers={"X": "y"},
        )
        for at, outcome, attempt in [(0, "retrying", 1), (5000, "retrying", 2), (9000, "failed", 0)]
    ]
    writer = Writer(clickhouse.url)
    await writer.insert(log_batch((Address(0, at), record) for at, record in enumerate(life)), _never)
    await writer.close()
    found = await show_request(clickhouse.client, "r")
    assert [(row.outcome, row.attempt) for row in found] == [("retrying", 1), ("retrying", 2), ("failed", 0)]
    assert found[0].request_headers == {"Content-Type": "application/json"}
    assert found[0].request_body == '{"a":"\x1b[31m"}'
    assert [row.attempt_id for row in await show_row(clickhouse.client, "a5000")] == ["a5000"]
    assert await show_request(clickhouse.client, "nothing") == []
    told = run("logs_app", clickhouse.url, "show", "r")
    assert "attempt 2: retrying" in told.stdout
    assert "\x1b" not in told.stdout


async def test_a_leads_rows_come_in_the_order_in_which_they_came_about(client: Any) -> None:
    found = await rows_of_lead(client, "L-3")
    assert [row.attempt_id for row in found] == [f"a{n}" for n in range(3, COUNT, 500)]
    newest = await rows_of_lead(client, "L-3", limit=2)
    assert [row.attempt_id for row in newest] == ["a2003", "a2503"]


async def test_statistics_add_up_however_they_are_grouped(client: Any) -> None:
    for by in ([], *([name] for name in GROUPS), ["hour", "flow", "host"]):
        found = await stats(client, by, Filters())
        assert sum(row.rows for row in found) == COUNT
        assert sum(row.skipped for row in found) == COUNT / 10
        assert sum(row.delivered + row.failed + row.skipped for row in found) == COUNT
        assert sum(row.sends for row in found) == COUNT - COUNT / 10
        assert {tuple(row.group) for row in found} == {tuple(by)}


async def test_statistics_are_filtered_and_have_quantiles(client: Any) -> None:
    (row,) = await stats(client, ["flow"], Filters(flow="F-1", tags={"utm_source": "fb"}))
    assert row.group == {"flow": "F-1"}
    assert row.rows == sum(1 for n in range(COUNT) if n % 3 == 1 and n % 2 == 0)
    assert row.duration_p50_ms == pytest.approx(49, abs=3)
    assert row.duration_p99_ms == pytest.approx(98, abs=2)
    assert row.queued_p50_ms == 5
    (skips,) = await stats(client, ["host"], Filters(host="h0.example"), limit=1)
    assert skips.skipped == 0
    nowhere = await stats(client, ["host"], Filters(host="nowhere"))
    assert nowhere == []
    (hour,) = await stats(client, ["hour"], Filters(since_ms=NOON_MS + 60_000, until_ms=NOON_MS + HOUR_MS))
    assert hour.group == {"hour": "2026-11-24T12:00:00Z"}


async def test_what_the_statistics_do_not_know_is_refused(client: Any) -> None:
    with pytest.raises(FilterFault, match="lead"):
        await stats(client, [], Filters(lead="L-1"))
    with pytest.raises(FilterFault, match="phase of the moon"):
        await stats(client, ["phase of the moon"], Filters())
    with pytest.raises(FilterFault, match="cursor"):
        await list_rows(client, Filters(), before="1; DROP TABLE postback_log")


async def test_a_query_ends_at_its_time_limit(client: Any) -> None:
    with pytest.raises(ClickHouseError, match="TIMEOUT_EXCEEDED"):
        await client.query(
            "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1",
            settings={"max_execution_time": 0.2},
        )


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("lead_id = 'L-1'", "lead_id_bloom"),
        ("click_id = 'c-1'", "click_id_bloom"),
        ("request_id = 'r1'", "request_id_bloom"),
        ("attempt_id = 'a1'", "attempt_id_bloom"),
        ("host = 'h1.example'", "host_bloom"),
        ("logged_at > now64(3)", "logged_at_minmax"),
        ("stored_at > now64(3)", "stored_at_minmax"),
        ("log_offset > 1000000", "log_offset_minmax"),
        ("flow_id = 'F-1'", "flow_id"),
    ],
)
async def test_a_condition_uses_its_index(client: Any, condition: str, index: str) -> None:
    plan = await client.query(f"EXPLAIN indexes = 1 SELECT url FROM postback_log FINAL WHERE {condition}")
    assert index in "\n".join(row[0] for row in plan.result_rows)


def run(app: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    module = {"logs_app": "app.cli.logs", "stats": "app.cli.stats"}[app]
    call = "logs_app()" if app == "logs_app" else "typer.run(stats)"
    return subprocess.run(
        [sys.executable, "-c", f"import typer; from {module} import {app}; {call}", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "POSTBACKS_CLICKHOUSE": url, "COLUMNS": "240"},
        check=False,
    )


def test_logs_list_prints_a_table_or_one_object_a_line(url: str) -> None:
    told = run("logs_app", url, "list", "--lead", "L-3", "--outcome", "skipped", "--limit", "2")
    assert told.returncode == 0, told.stderr
    assert "condition: geo" in told.stdout
    assert told.stdout.count("\n") == 3
    assert "more: --before " in told.stderr
    before = told.stderr.split("--before ")[1].strip()
    told = run("logs_app", url, "list", "--lead", "L-3", "--before", before, "--json")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [row["attempt_id"] for row in rows] == [f"a{n}" for n in (1503, 1003, 503, 3)]
    assert rows[0]["logged_at"] == "2026-11-24T12:06:15Z"
    assert (rows[0]["price"], rows[0]["response_status"]) == (12.5, None)


def test_stats_prints_a_table_or_one_object_a_line(url: str) -> None:
    told = run("stats", url, "--by", "flow", "--json")
    assert told.returncode == 0, told.stderr
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert {row["flow"]: row["rows"] for row in rows} == {"F-0": 1000, "F-1": 1000, "F-2": 1000}
    assert "F-0" in run("stats", url).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (("list", "--since", "yesterday"), 2, "yesterday"),
        (("list", "--outcome", "sent"), 2, "delivered"),
        (("list", "--code", "20"), 2, "5xx"),
        (("list", "--tag", "sub1=x"), 2, "utm_source"),
        (("list", "--before", "x"), 2, "cursor"),
        (("list", "--limit", "0"), 2, "limit"),
        (("show", "nothing"), 1, "nothing"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_status(
    url: str, arguments: tuple[str, ...], status: int, word: str
) -> None:
    told = run("logs_app", url, *arguments)
    assert told.returncode == status
    assert word in told.stderr
    assert "Traceback" not in told.stderr
    assert told.stdout == ""


def test_a_clickhouse_that_is_away_or_empty_is_named_with_what_to_do(url: str) -> None:
    away = run("logs_app", "http://me:sesame@127.0.0.1:1/x", "list")
    assert (away.returncode, away.stderr.count("\n")) == (1, 1)
    assert "POSTBACKS_CLICKHOUSE" in away.stderr
    assert "sesame" not in away.stderr
    empty = run("logs_app", url.rsplit("/", 1)[0] + "/nowhere", "list")
    assert empty.returncode == 1
    assert "postbacks migrate" in empty.stderr
    empty = run("logs_app", url.rsplit("/", 1)[0] + "/default", "list")
    assert empty.returncode == 1
    assert "postbacks migrate" in empty.stderr


def _counts(counted: Counted) -> list[int]:
    return [value for value in (getattr(counted, one.name) for one in fields(counted)) if type(value) is int]


async def test_the_overview_counts_what_the_statistics_count(client: Any) -> None:
    total, worst = await hosts(client, NOON_MS)
    [wanted] = await stats(client, [], Filters(since_ms=NOON_MS))
    assert total is not None
    assert _counts(total) == _counts(wanted)
    assert total.duration_p95_ms == pytest.approx(wanted.duration_p95_ms, abs=1.5)
    by_host = {one.group["host"]: one for one in await stats(client, ["host"], Filters(since_ms=NOON_MS))}
    by_host.pop("")  # what was not sent
    assert {one.group["host"]: _counts(one) for one in worst} == {
        name: _counts(one) for name, one in by_host.items()
    }
    lacking = [one.sends - one.delivered for one in worst]
    assert lacking == sorted(lacking, reverse=True)
    for step_s, by in ((3_600, "hour"), (86_400, "day")):
        told = await steps(client, NOON_MS, step_s)
        counted = await stats(client, [by], Filters(since_ms=NOON_MS))
        assert [one.delivered for one in sorted(told.steps, reverse=True)] == [
            one.delivered for one in counted
        ]
        assert all(one.at_s % step_s == 0 for one in told.steps)
        assert told.only_failures == {}
    nothing = await hosts(client, NOON_MS + 365 * 24 * HOUR_MS)
    assert nothing == (None, [])
