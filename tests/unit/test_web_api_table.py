"""The API's table: whatever it serves is described, and who may do what is said by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from app.web.api.call import read_json, read_query
from app.web.api.openapi import document
from app.web.api.postbacks import PostbacksAsked
from app.web.api.replay import ReplayAsked
from app.web.api.states import StateAsked
from app.web.api.table import ROUTES
from app.web.api.tokens import without_tokens
from app.web.asked import filters_of
from app.web.problem import Problem
from app.web.saving import ANYTHING, Expected
from app.web.who import Asker

DOCUMENT = document(ROUTES)
NOW_MS = 1_764_000_000_000


def _refs(node: Any) -> set[str]:
    if isinstance(node, dict):
        return {node["$ref"]} if "$ref" in node else set().union(*map(_refs, node.values()))
    return set().union(*map(_refs, node)) if isinstance(node, list) else set()


def test_each_reference_of_the_document_leads_somewhere() -> None:
    refs = _refs(DOCUMENT)
    assert len(refs) > 20
    schemas = DOCUMENT["components"]["schemas"]
    assert [ref for ref in refs if ref.removeprefix("#/components/schemas/") not in schemas] == []
    assert [name for name in schemas if "." in name] == []


def test_each_route_is_told_with_its_refusals() -> None:
    operations = [one for path in DOCUMENT["paths"].values() for one in path.values()]
    assert len(operations) == len(ROUTES) == len({one["operationId"] for one in operations})
    for one in operations:
        assert one["summary"].endswith(".")
        assert {"401", "403", "503"} <= one["responses"].keys()


def test_only_a_preview_is_for_viewers_among_what_is_sent() -> None:
    assert {(r.method, r.path) for r in ROUTES if r.role == "viewer" and r.method != "GET"} == {
        ("POST", "/api/preview")
    }
    assert all(route.role in ("viewer", "editor") for route in ROUTES)


names = st.sampled_from(["flow", "limit", "outcome", "code", "since", "before", "x"])


@given(
    st.lists(
        st.tuples(names, st.text() | st.sampled_from(["1", "9999999999d", "2xx", "failed", "9999-12-31"]))
    )
)
def test_whatever_stands_in_a_query_is_filters_or_a_problem(pairs: list[tuple[str, str]]) -> None:
    try:
        asked = read_query(MultiDict(pairs), PostbacksAsked)
        filters = filters_of(asked, Asker("editor"), NOW_MS)
    except Problem as refusal:
        problem = refusal
    else:
        assert 1 <= asked.limit <= 500
        assert filters.since_ms is None or abs(filters.since_ms) < 2**63
        return
    assert problem.status == 422
    assert problem.errors


@given(st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=3).map(
    lambda value: json.dumps({"flow_id": value, "state": value, "ids": value, "confirm": value}).encode()
))  # fmt: skip
def test_whatever_is_sent_as_a_body_is_read_or_a_problem(body: bytes) -> None:
    for kind in (StateAsked, ReplayAsked):
        try:
            read_json(body, kind)
        except Problem as refusal:
            problem = refusal
        else:
            continue
        assert (problem.status, bool(problem.errors)) == (422, True)


def test_a_viewers_free_text_is_refused() -> None:
    asked = PostbacksAsked(text="50123")
    with pytest.raises(Problem) as raised:
        filters_of(asked, Asker("viewer"), NOW_MS)
    assert raised.value.status == 403
    assert filters_of(asked, Asker("editor"), NOW_MS).text == "50123"


@pytest.mark.parametrize(
    ("expected", "version", "met"),
    [
        (ANYTHING, None, True), (ANYTHING, 5, True),
        (Expected(frozenset({5})), 5, True), (Expected(frozenset({5})), 6, False),
        (Expected(frozenset({5})), None, False),
        (Expected(frozenset()), None, True), (Expected(frozenset()), 5, False),
        (Expected(any_version=True), 5, True), (Expected(any_version=True), None, False),
    ],
)  # fmt: skip
def test_an_edit_goes_on_only_from_what_it_expects(
    expected: Expected, version: int | None, met: bool
) -> None:
    assert expected.meets(version) is met


def test_viewers_see_no_token_of_a_flow() -> None:
    told = {
        "flow_id": "F", "name": "50% {off",
        "postbacks": [
            {"on": ["new"], "template": "https://t/bot12:abc/x?access_token=EAAG&c={click}|POST|key=k-1&a=b",
             "headers": {"Authorization": "Bearer abc", "X-Key": "{secret.k}", "X-Other": "plain"}},
            {"on": ["hold"], "template": 'https://t/|JSON|{"token": "abc", "c": "{click}"}'},
            {"on": ["trash"], "template": "https://t/?token=a%2Fb{click"},
        ],
    }  # fmt: skip
    seen = json.dumps(without_tokens(told))
    for token in ("EAAG", "k-1", "Bearer abc", '"abc', "a%2Fb"):
        assert token not in seen
    for kept in ("{click}", "{secret.k}", "plain", "50% {off", "a=b"):
        assert kept in seen
    short = without_tokens({"postbacks": {"new": ["https://t/?token=abc", "https://t/?c={click}"]}})
    assert short == {"postbacks": {"new": ["https://t/?token=•••", "https://t/?c={click}"]}}
