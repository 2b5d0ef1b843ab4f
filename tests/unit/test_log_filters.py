"""Filters become conditions with bound values; what cannot be read is said with what would do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.queries.filters import (
    OUTCOMES,
    TAGS,
    FilterFault,
    Filters,
    codes_of,
    moment_ms,
    where_log,
    where_stats,
)

NOW_MS = 1_795_521_600_000

any_filters = st.builds(
    Filters,
    flow=st.none() | st.text(),
    postback=st.none() | st.text(),
    lead=st.none() | st.text(),
    click=st.none() | st.text(),
    host=st.none() | st.text(),
    event=st.none() | st.text(),
    outcomes=st.lists(st.sampled_from(OUTCOMES)).map(tuple),
    codes=st.none() | st.tuples(st.integers(100, 599), st.integers(100, 599)),
    tags=st.dictionaries(st.sampled_from(TAGS), st.text()),
    text=st.none() | st.text(),
    since_ms=st.none() | st.integers(0, 2**40),
    until_ms=st.none() | st.integers(0, 2**40),
)


@given(any_filters)
def test_no_value_ever_becomes_sql(filters: Filters) -> None:
    found = where_log(filters)
    named = set(re.findall(r"\{(\w+):\w+(?:\(\w+\))?\}", found.sql))
    assert named == set(found.parameters)
    assert re.fullmatch(r"[\w ={}:()>',<.]*", found.sql), found.sql
    assert set(re.findall(r"'([^']*)'", found.sql)) <= {"UTC"}


def test_no_filter_is_no_condition() -> None:
    assert where_log(Filters()).sql == ""
    assert where_stats(Filters()).sql == ""


def test_filters_hold_together() -> None:
    found = where_log(Filters(flow="F-7", outcomes=("failed",), tags={"subid": "x"}))
    assert found.sql == (
        "WHERE flow_id = {flow:String} AND outcome IN {outcomes:Array(String)} AND subid = {subid:String}"
    )
    assert found.parameters == {"flow": "F-7", "outcomes": ["failed"], "subid": "x"}


def test_a_tag_that_is_no_column_is_refused() -> None:
    for where in (where_log, where_stats):
        with pytest.raises(FilterFault, match="adid"):
            where(Filters(tags={"adid": "x"}))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", NOW_MS - 90_000),
        ("15m", NOW_MS - 900_000),
        ("2h", NOW_MS - 7_200_000),
        (" 7d ", NOW_MS - 7 * 86_400_000),
        ("2026-11-24", 1_795_478_400_000),
        ("2026-11-24T12:00:00.5", NOW_MS + 500),
        ("2026-11-24T12:00:00Z", NOW_MS),
        ("2026-11-24T14:00:00+02:00", NOW_MS),
    ],
)
def test_a_time_is_ago_or_iso(text: str, wanted: int) -> None:
    assert moment_ms(text, NOW_MS) == wanted


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2", "-2h", "2w", "24.11.2026", "1e3s", "0001-01-01", "²h"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(FilterFault, match="2h"):
        moment_ms(text, NOW_MS)


def test_a_code_is_one_status_or_a_hundred() -> None:
    assert codes_of("404") == (404, 404)
    assert codes_of("5XX") == (500, 599)
    for text in ("", "40", "0xx", "4x4", "4000", "all"):
        with pytest.raises(FilterFault, match="5xx"):
            codes_of(text)
