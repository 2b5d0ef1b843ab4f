"""What the pages show of strangers' texts, and what they say themselves."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.queries.filters import TAGS, FilterFault, Filters
from app.queries.rows import Listed
from app.web.downloads import COLUMNS, csv_head, csv_lines, json_lines
from app.web.numbers import ms, number
from app.web.pretty import pretty
from app.web.private import Private
from app.web.problem import Problem
from app.web.query import NAMES, address, filters_in, told
from app.web.texts import TEXTS
from app.web.unseen import visible
from app.web.who import Asker

_WEB = Path(__file__).parents[2] / "app" / "web"
NOW_MS = 1_795_521_600_000
EDITOR = Asker("editor")


def listed(**told: Any) -> Listed:
    """A row with empty fields, but for those told."""
    empty: dict[str, Any] = {field.name: "" for field in fields(Listed)}
    times = {name: datetime(2026, 11, 24, 12, 0, 0, 123000, UTC) for name in ("logged_at", "requested_at")}
    numbers = dict.fromkeys(("lead_seq", "attempt", "replay", "log_partition", "log_offset", "log_index"), 0)
    nulls = dict.fromkeys(("response_status", "duration_ms", "queued_ms", "next_attempt_at", "price"))
    return Listed(**{**empty, **times, **numbers, **nulls, **told})


@given(st.text())
def test_no_text_is_shown_with_a_character_that_cannot_be_seen(text: str) -> None:
    shown = visible(text)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    if text.isprintable():
        assert shown == text


def test_what_turns_the_direction_is_shown_by_its_number() -> None:
    assert visible("a\u202egpj.exe") == "a⟨U+202E⟩gpj.exe"


def test_an_address_asks_for_what_it_was_made_of() -> None:
    pairs = told(
        [("host", "h&1"), ("outcome", "failed"), ("flow", "F-7"), ("outcome", "retrying"), ("text", " ")]
    )
    assert address("/log", pairs) == "/log?flow=F-7&host=h%261&outcome=failed&outcome=retrying"
    assert address("/log", pairs, outcome="", flow="*", before="1.2") == "/log?host=h%261&flow=%2A&before=1.2"
    wanted = Filters(flow="F-7", host="h&1", outcomes=("failed", "retrying"))
    assert filters_in(pairs, EDITOR, NOW_MS) == wanted


def test_every_filter_can_be_asked_for_by_address() -> None:
    values = {"outcome": "failed", "code": "5xx", "since": "2h", "until": "2026-11-24T15:00:00Z"}
    pairs = told([(name, values.get(name, f"{name}-value")) for name in NAMES])
    filters = filters_in(pairs, EDITOR, NOW_MS)
    assert (filters.codes, filters.since_ms) == ((500, 599), NOW_MS - 7_200_000)
    assert filters.tags == {tag: f"{tag}-value" for tag in TAGS}
    assert all(getattr(filters, field.name) for field in fields(Filters))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ([("flwo", "F-7")], "no filter 'flwo'"),
        ([("flow", "a"), ("flow", "b")], "flow is given twice"),
        ([("outcome", "lost")], "no outcome 'lost'"),
        ([("code", "abc")], "no HTTP status"),
        ([("since", "soon")], "no time"),
    ],
)
def test_an_address_that_asks_for_what_there_is_not_is_refused(
    query: list[tuple[str, str]], says: str
) -> None:
    with pytest.raises((FilterFault, Problem), match=says):
        filters_in(told(query), EDITOR, NOW_MS)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_a_spreadsheet_takes_no_cell_for_a_formula_and_a_reader_finds_every_text(text: str) -> None:
    file = (csv_head() + csv_lines([listed(lead_id=text, price=Decimal("-1.500000"))])).decode("utf-8-sig")
    head, row = list(csv.reader(io.StringIO(file, newline="")))
    cells = dict(zip(head, row, strict=True))
    assert tuple(head) == COLUMNS
    assert cells["price"] == "-1.500000"
    assert cells["logged_at"] == "2026-11-24T12:00:00.123Z"
    assert cells["lead_id"] in (text, f"'{text}")
    assert cells["lead_id"][:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")


def test_json_lines_hold_each_row_whole() -> None:
    file = json_lines([listed(url="=1+1\n", price=Decimal("12.5")), listed(lead_id="L-2")])
    first, second = map(json.loads, file.splitlines())
    assert (first["url"], first["price"], second["lead_id"]) == ("=1+1\n", 12.5, "L-2")
    assert first["logged_at"] == "2026-11-24T12:00:00.123000Z"


@pytest.mark.parametrize(
    ("body", "laid_out"),
    [
        ('{"a":[1,{"b":"x,{y}:"}],"c":{},"n":12.50}',
         '{\n  "a": [\n    1,\n    {\n      "b": "x,{y}:"\n    }\n  ],\n  "c": {},\n  "n": 12.50\n}'),
        ("a=1&b=%3Cscript%3E+x", "a = 1\nb = <script> x"),
        ("<html>", ""),
        ('{"a": •••}', ""),
        ("", ""),
        ("[" * 100_000, ""),
    ],
)  # fmt: skip
def test_a_body_is_laid_out_without_a_change_of_what_it_says(body: str, laid_out: str) -> None:
    assert pretty(body) == laid_out


_json = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(_json)
def test_laid_out_json_is_the_same_json(value: Any) -> None:
    body = json.dumps([value])
    assert json.loads(pretty(body) or body) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "https://h.example/?p=%2B380+50+123-45-67&x=1",
        "https://h.example/?p=380501234567",
        '{"tel":"050 123 45 67"}',
        "https://h.example/?m=olha%40example.com",
        "https://h.example/?m=OLHA%2540example.com",
        '{"x":"\\u006flha@example.com","y":"Olha@Example.com "}',
        "no such user: Olha@Example.com",
        "user_email=somebody&a=1",
        '{"customer_phone":123456}',
        "T2xoYUBFeGFtcGxlLmNvbQ==",
    ],
)
def test_a_viewer_sees_no_phone_and_no_email_in_any_way_it_is_written(text: str) -> None:
    seen = Private(["+380 50 123 45 67", "Olha@Example.com "]).text(text)
    assert "•••" in seen
    assert not re.search(r"123.?45|olha|@example|%40example|somebody|T2xo", seen, re.IGNORECASE)


def test_digits_of_nobody_s_number_stay_for_a_viewer() -> None:
    assert (
        Private(()).text("https://h.example/?click=380501234567") == "https://h.example/?click=380501234567"
    )


def test_numbers_are_short() -> None:
    assert [ms(0.42), ms(340.4), ms(2400), ms(90_000), ms(None)] == [
        "0.42 ms",
        "340 ms",
        "2.4 s",
        "1.5 min",
        "–",
    ]
    assert [number(12345.6), number(0.1234), number(None)] == ["12,346", "0.123", "–"]


def test_every_text_that_a_page_says_is_in_the_one_file_and_none_is_there_in_vain() -> None:
    sources = [path.read_text() for path in [*_WEB.rglob("*.html"), *_WEB.rglob("*.py")]]
    said = {key for source in sources for key in re.findall(r"""say\(\s*f?["']([^"'{]+)["'],?""", source)}
    begins = {
        key
        for source in sources
        for key in re.findall(r"""say\(\s*f?["']([a-z0-9_.]+)[{"'](?= ~|[a-z])""", source)
    }
    unknown = {key for key in said if key not in TEXTS and not any(known.startswith(key) for known in TEXTS)}
    assert not unknown
    unused = {key for key in TEXTS if key not in said and not any(key.startswith(begin) for begin in begins)}
    assert not unused


def test_no_template_trusts_a_text_or_holds_a_script() -> None:
    for path in (_WEB / "templates").glob("*.html"):
        source = path.read_text()
        assert not re.search(
            r"\|\s*safe|autoescape|Markup|<script(?! src)|\son[a-z]+=|\sstyle=|javascript:", source
        ), path
