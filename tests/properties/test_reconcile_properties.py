"""A reconciliation: our own export has nothing missing, and what is taken out of it, or changed, is found."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.queries.networklist import BadLine, Line, amount, known_click, read_list
from app.queries.reconcile import WORDS, Entry, Ours, Reconciliation
from app.queries.rows import Listed
from app.web.downloads import csv_head, csv_lines

clicks = (
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(known_click).filter(bool)
)
made = st.builds(
    Ours,
    request_id=st.uuids().map(str),
    lead_id=st.just("L-1"),
    event=st.sampled_from(["new", "hold", "approve", "cancel", "trash", "goal:1", "price"]),
    outcome=st.sampled_from(["delivered", "delivered", "failed", "retrying", "skipped"]),
    reason=st.just(""),
    price=st.none() | st.decimals(-1000, 1000, places=6),
)
ours_by_click = st.dictionaries(clicks, st.lists(made, min_size=1, max_size=3), max_size=8)


def exported(by_click: dict[str, list[Ours]]) -> list[Line | BadLine]:
    """What was delivered, as the log's download has it, read as a network's list."""
    empty: dict[str, Any] = {field.name: "" for field in fields(Listed)}
    at = datetime(2026, 11, 24, tzinfo=UTC)
    rows = [
        Listed(**empty | {"logged_at": at, "click_id": click, "event": one.event, "price": one.price})
        for click, all_ in by_click.items()
        for one in all_
        if one.outcome == "delivered"
    ]
    return list(read_list(csv_head() + csv_lines(rows), {}))


def compared(lines: list[Line], by_click: dict[str, list[Ours]]) -> tuple[Reconciliation, list[Entry]]:
    """What comes of a list beside what was made."""
    theirs: dict[str, list[Line]] = {}
    for line in lines:
        theirs.setdefault(line.click, []).append(line)
    found = Reconciliation(theirs, WORDS)
    entries = [entry for click, all_ in by_click.items() for entry in found.click(click, all_)]
    return found, entries + [
        e for click, left in found.left() for e in found.never_made(click, left, "never")
    ]


@given(ours_by_click)
@settings(deadline=None)
def test_our_own_export_lacks_nothing_that_was_delivered_and_nothing_differs(
    by_click: dict[str, list[Ours]],
) -> None:
    lines = [line for line in exported(by_click) if isinstance(line, Line)]
    assert len(lines) == sum(one.outcome == "delivered" for all_ in by_click.values() for one in all_)
    found, entries = compared(lines, by_click)
    assert {entry.kind for entry in entries if entry.our_outcome == "delivered"} == set()
    assert not found.counts.kinds["not sent"]
    assert not found.counts.kinds["differs"]
    failed = {e.request_id for e in entries if e.kind == "they lack" and e.our_outcome == "failed"}
    assert failed <= set(found.counts.again)


@given(ours_by_click, st.data())
@settings(deadline=None)
def test_what_is_taken_out_of_the_list_is_lacking_and_what_is_put_in_was_not_sent(
    by_click: dict[str, list[Ours]], data: st.DataObject
) -> None:
    lines = [line for line in exported(by_click) if isinstance(line, Line)]
    gone = data.draw(st.sets(st.sampled_from(sorted(by_click)))) if by_click else set()
    left = [line for line in lines if line.click not in gone]
    found, entries = compared([*left, Line(99, "nobody's click", "approve", None)], by_click)
    delivered = {click for click, all_ in by_click.items() if any(o.outcome == "delivered" for o in all_)}
    lacking = {entry.click_id for entry in entries if entry.kind == "they lack"}
    assert lacking >= gone & delivered
    assert not lacking & {line.click for line in left}
    assert [entry.click_id for entry in entries if entry.kind == "not sent"] == ["nobody's click"]
    again = [one.request_id for click in gone for one in by_click[click] if one.outcome == "delivered"]
    assert set(again) <= set(found.counts.again)


@given(st.decimals(-(10**6), 10**6, places=4), st.sampled_from([0, 1, 5]))
def test_an_amount_that_is_written_with_either_comma_is_itself(number: Decimal, blanks: int) -> None:
    english = f"{number:,.4f}"
    european = english.translate(str.maketrans(",.", ".,"))
    assert amount(" " * blanks + english, comma_is_decimal=False) == number
    assert amount(european + " EUR", comma_is_decimal=True) == number


def test_the_words_of_networks_mean_one_of_several_of_ours() -> None:
    line = [Line(2, "c", "pending", Decimal("12.5"))]
    for event, differs in (("new", 0), ("hold", 0), ("approve", 1)):
        _, entries = compared(line, {"c": [Ours("r", "L", event, "delivered", "", Decimal("12.501"))]})
        assert [entry.why for entry in entries] == ["status"] * differs
    _, entries = compared(line * 2, {"c": [Ours("r", "L", "new", "delivered", "", Decimal(12))]})
    assert [(entry.kind, entry.why) for entry in entries] == [("twice", "2 lines"), ("differs", "payout")]
    found, entries = compared(
        [Line(2, "c", "wow", None)], {"c": [Ours("r", "L", "new", "delivered", "", None)]}
    )
    assert (entries, found.counts.words, found.counts.same) == ([], {"wow": 1}, 1)
