"""`when`, `verdict` paths and the comparison under both."""

from __future__ import annotations

from typing import Any

import pytest

from app.flows.compare import is_equal
from app.flows.verdict import path_steps
from app.flows.when import read_when
from app.leads.lead import Click, Lead


def holds(asked: dict[str, Any], **fields: Any) -> bool:
    lead = Lead("L", "F", "new", 0, 0, 1, **fields)
    return all(condition.holds(lead) for condition in read_when(asked, "when"))


@pytest.mark.parametrize(
    ("wanted", "found", "equal"),
    [
        ("UA", "UA", True),
        ("UA", "ua", False),
        (12, 12.0, True),
        (12, "12", True),
        ("12", 12, True),
        (12.5, " 12.50 ", True),
        (12, "12x", False),
        ("007", "7", False),
        ("007", 7, True),
        (0.1, "0.1", True),
        (2**53 + 1, float(2**53), False),
        (True, "true", True),
        ("false", False, True),
        (True, 1, False),
        (1, True, False),
        (False, 0, False),
        (None, None, True),
        (None, "", False),
        ("", None, False),
        (0, None, False),
        (float("1e300"), "1", False),
    ],
)
def test_values_are_compared_as_what_they_are_and_numbers_also_in_texts(
    wanted: Any, found: Any, equal: bool
) -> None:
    assert is_equal(wanted, found) is equal


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        ({}, True),
        ({"geo": "UA"}, True),
        ({"geo": ["PL", "UA"]}, True),
        ({"geo": ["PL"]}, False),
        ({"geo": {"not": ["PL"]}}, True),
        ({"geo": {"not": ["UA", "PL"]}}, False),
        ({"geo": {"not": "UA"}}, False),
        ({"geo": None}, False),
        ({"lang": None}, True),
        ({"lang": ["uk", None]}, True),
        ({"lang": ["uk"]}, False),
        ({"lang": {"not": ["uk"]}}, False),
        ({"lang": {"not": [None]}}, False),
        ({"geo": {"not": [None]}}, True),
        ({"price": {"min": 12.5}}, True),
        ({"price": {"min": 12.6}}, False),
        ({"price": {"max": 12.5}}, True),
        ({"price": {"min": 1, "max": 12}}, False),
        ({"price": {"min": 1, "not": [12.5]}}, False),
        ({"price": 12.5}, True),
        ({"price": "12.50"}, True),
        ({"currency": {"min": 1}}, False),
        ({"goal": {"min": 1}}, False),
        ({"tag.subid": "s"}, True),
        ({"subid": "s"}, True),
        ({"utm_source": None}, True),
        ({"tag.n": {"min": 3, "max": 3}}, True),
        ({"tag.n": 3}, True),
        ({"meta.vip": True}, True),
        ({"meta.vip": ["true"]}, True),
        ({"meta.gone": None}, True),
        ({"meta.null": None}, True),
        ({"geo": "UA", "lang": "uk"}, False),
    ],
)
def test_all_conditions_must_hold_and_a_missing_value_meets_only_null(
    asked: dict[str, Any], met: bool
) -> None:
    assert (
        holds(
            asked,
            click=Click(geo="UA"),
            price=12.5,
            currency="usd",
            tags={"subid": "s", "n": "3"},
            meta={"vip": True, "null": None},
        )
        is met
    )


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("code", ("code",)),
        ("$.code", ("code",)),
        ("$", ()),
        ("data.errors[0].code", ("data", "errors", 0, "code")),
        ("[0]", (0,)),
        ("$[0][12]", (0, 12)),
        ("a b.c-d", ("a b", "c-d")),
        ("", None),
        (".", None),
        ("a.", None),
        ("a..b", None),
        ("a[x]", None),
        ("a[0", None),
        ("a]", None),
        ("[0]a", None),
    ],
)
def test_a_path_is_keys_and_indexes(path: str, steps: tuple[str | int, ...] | None) -> None:
    assert path_steps(path) == steps
