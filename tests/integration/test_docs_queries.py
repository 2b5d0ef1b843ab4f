"""The questions of docs/queries.md and the Grafana board, asked over data whose answers are known."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.log.migrate import statements_of
from app.log.rows import Record, lead_event
from app.log.tables import LEAD_EVENTS, POSTBACK_LOG
from app.log.writer import Writer
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from tests.clickhouse import Database
from tests.log_batches import batch_of, rows_of

_ROOT = Path(__file__).parents[2]
_QUERIES = dict(
    re.findall(
        r"^## (.+?)\n(?:(?!^## ).)*?^```sql\n(.+?)\n```$",
        (_ROOT / "docs" / "queries.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
)
_BOARD = json.loads((_ROOT / "deploy" / "grafana" / "boards" / "analysis.json").read_text(encoding="utf-8"))
_BEGIN_MS = (int(time.time()) - 86_400) * 1000
_S = 1_000


def _event(offset: int, at_s: int, lead: str, status: str, **more: Any) -> Record:
    told = {"event_id": f"e-{offset}", "lead_id": lead, "flow_id": "F-1", "status": status, **more}
    return _record(offset, at_s, json.dumps(told).encode())


def _record(offset: int, at_s: int, value: bytes) -> Record:
    return Record(0, offset, _BEGIN_MS + at_s * _S, b"key", value)


_FB = {"tags": {"utm_source": "fb"}, "currency": "usd"}
_GOOGLE = {"tags": {"utm_source": "google"}, "currency": "eur"}
_EVENTS = [
    _event(0, 0, "L-1", "new", **_FB),
    _event(1, 0, "L-2", "new", **_FB),
    _event(2, 0, "L-3", "new", **_FB),
    _event(3, 0, "L-4", "wait", **_GOOGLE),
    _event(4, 0, "L-5", "new", **_GOOGLE),
    _event(5, 60, "L-1", "approve", price=10),
    _event(6, 60, "L-2", "approve", price=20),
    _event(7, 60, "L-3", "cancel"),
    _event(8, 60, "L-5", "approve", price=7.5),
    _event(
        9, 70, "L-2", "hold", occurred_at=time.strftime("%FT%TZ", time.gmtime(_BEGIN_MS / 1000 + 30))
    ),  # late
    _event(10, 70, "L-6", "sold"),
    _record(11, 70, b"{"),
]


def _row(
    lead: str, request: str, event: str, outcome: Any, at_s: int, attempt: int = 1, **more: Any
) -> LogRecord:
    host, money = ("a.example", "usd") if request in ("r1", "r2", "r3") else ("b.example", "eur")
    told: dict[str, Any] = {
        "logged_at": _BEGIN_MS + at_s * _S,
        "requested_at": _BEGIN_MS + (0 if event == "new" else 60) * _S,
        "outcome": outcome,
        "attempt": attempt,
        "attempt_id": f"{request}-{attempt}-{outcome}",
        "source": Address(0, 0),
        "source_topic": "p.postback-requests",
        "request_id": request,
        "lead_id": lead,
        "flow_id": "F-1",
        "postback_id": "fb",
        "event": event,
        "host": host,
        "currency": money,
        "price": {"L-1": 10.0, "L-2": 20.0, "L-5": 7.5}[lead],
        "tags": Tags(utm_source="fb"),
    }
    return LogRecord(**{**told, **more})


def _skip(lead: str, reason: str, request: str = "") -> LogRecord:
    return LogRecord(
        logged_at=_BEGIN_MS,
        requested_at=_BEGIN_MS,
        outcome="skipped",
        attempt_id=f"{lead}-{reason}",
        source=Address(0, 1),
        source_topic="p.lead-events",
        reason=reason,
        request_id=request,
        lead_id=lead,
        flow_id="F-1",
        postback_id="fb",
        event="new",
    )


_LOG = [
    _row("L-1", "r3", "new", "delivered", 1, duration_ms=100.0),
    _row("L-1", "r1", "approve", "delivered", 62, duration_ms=100.0),
    _row("L-2", "r2", "approve", "retrying", 61, duration_ms=500.0),
    _row("L-2", "r2", "approve", "delivered", 72, 2, duration_ms=100.0),
    _row("L-5", "r5", "approve", "retrying", 61, duration_ms=1000.0),
    _row("L-5", "r5", "approve", "failed", 66, 2, duration_ms=1000.0),
    _row("L-2", "r6", "hold", "parked", 61, 0),
    _skip("L-3", "condition: geo"),
    _skip("L-4", "empty: click"),
    _skip("L-1", "unchanged: the same as request r3", "r3"),
]

_APPROVED_AT = _BEGIN_MS + 60 * _S
ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "Which tags convert?": [
        ("fb", "usd", 3, 2, 1, 66.7, Decimal(30)),
        ("google", "eur", 2, 1, 0, 50.0, Decimal("7.5")),
    ],
    "How well does each receiver take what we send?": [
        ("b.example", "fb", 2, 0, 0, 1, 1, 0.0, 1.0),
        ("a.example", "fb", 3, 3, 2, 0, 0, 100.0, 1.33),
    ],
    "Which money is not confirmed?": [
        ("b.example", "F-1", "fb", "failed", "eur", 1, Decimal("7.5"), _APPROVED_AT)
    ],
    "Which approved leads did nobody hear of?": [("L-5", "F-1", _APPROVED_AT, Decimal("7.5"), "eur")],
    "How long from approve to delivered?": [("a.example", 2, 7.0, 11.5, 12.0)],
    "What was skipped, and why?": [
        ("F-1", "fb", "condition", 1, 1),
        ("F-1", "fb", "empty", 1, 1),
        ("F-1", "fb", "unchanged", 1, 1),
    ],
    "What do retries cost, and what do they bring?": [
        ("a.example", 4, 1, 1, 0.5, 25.0),
        ("b.example", 2, 1, 0, 2.0, 50.0),
    ],
}


def _plain(value: Any) -> Any:
    return round(value.timestamp() * 1000) if hasattr(value, "timestamp") else value


@pytest.mark.chdb
async def test_every_question_has_the_answer_that_is_known(clickhouse: Database) -> None:
    for statement in statements_of((_ROOT / "deploy" / "clickhouse" / "views.sql").read_text(), 90):
        await clickhouse.client.command(statement)
    rows = [[*row.values()] for record in _EVENTS for row in rows_of(LEAD_EVENTS, record, lead_event(record))]
    writer = Writer(clickhouse.url)
    for _ in range(2):  # once more, as after a crash: nothing counts twice
        await clickhouse.client.insert(LEAD_EVENTS.name, rows, column_names=list(LEAD_EVENTS.columns))
        await writer.insert(batch_of(dict(enumerate(_LOG))), _never)
    await writer.close()
    assert _QUERIES.keys() == ANSWERS.keys()
    for question, sql in _QUERIES.items():
        found = [tuple(map(_plain, row)) for row in await clickhouse.rows(sql)]
        assert found == ANSWERS[question], question


@pytest.mark.chdb
async def test_the_users_file_is_sql_that_clickhouse_can_read(clickhouse: Database) -> None:
    statements = statements_of((_ROOT / "deploy" / "clickhouse" / "readers.sql").read_text(), 90)
    assert len(statements) > 10
    for statement in statements:  # the embedded engine reads them, and refuses to obey
        assert await clickhouse.rows(f"EXPLAIN AST {statement}"), statement


async def _never(bad: Any) -> None:
    raise AssertionError(bad)


def test_the_board_asks_what_the_page_asks() -> None:
    asked = {panel["title"]: panel["targets"][0]["rawSql"] for panel in _BOARD["panels"]}
    spans = {
        title: re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= now() - INTERVAL 7 DAY", sql)
        for title, sql in asked.items()
    }
    assert spans == _QUERIES
    assert all("$__timeFilter" in sql for sql in asked.values())
    assert {panel["datasource"]["uid"] for panel in _BOARD["panels"]} == {"clickhouse"}


def test_buyers_are_granted_columns_that_there_are_and_none_with_a_persons_data() -> None:
    sql = (_ROOT / "deploy" / "clickhouse" / "readers.sql").read_text()
    [columns] = re.findall(r"GRANT SELECT\((.*?)\) ON postbacks.postback_log TO buyers", sql, re.DOTALL)
    granted = {name.strip() for name in columns.split(",")}
    assert granted <= set(POSTBACK_LOG.columns)
    assert not granted & {
        "url",
        "request_body",
        "request_headers",
        "response_body",
        "response_headers",
        "error",
    }
