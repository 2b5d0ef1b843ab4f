"""The demo says that all is well only when it is: each way in which it can be wrong is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.demo.arrival import Arrival
from app.demo.compare import compare
from app.demo.samples import Expected
from app.queries.rows import Listed

_START = datetime(2026, 11, 24, tzinfo=UTC)
_DELIVERED = Expected(
    "L-1", ("retrying", "delivered"), "status 200", "", "tracker", "new", {"name": "Jö & Söhne"}
)
_SKIPPED = Expected("L-2", ("skipped",), "empty: click", "", "tracker", "new")
_FAILED = Expected("L-3", ("failed",), "ok is false", "", "telegram", "new")
_EXPECTED = [_DELIVERED, _SKIPPED, _FAILED]


def _row(lead: str, postback: str, outcome: str, reason: str, attempt: int, after_s: int, id_: str) -> Listed:
    empty: dict[str, Any] = dict.fromkeys(Listed.__slots__, "")
    moment = _START + timedelta(seconds=after_s)
    told: dict[str, Any] = {
        **{"logged_at": moment, "requested_at": _START, "outcome": outcome, "reason": reason},
        **{"lead_id": lead, "postback_id": postback, "event": "new", "request_id": id_, "attempt": attempt},
        **{"response_status": 200 if attempt else None},
    }
    return Listed(**{**empty, **told})


_RETRY = _row("L-1", "tracker", "retrying", "status 503", 1, 1, "r-1")
_DONE = _row("L-1", "tracker", "delivered", "status 200", 2, 6, "r-1")
_SKIP = _row("L-2", "tracker", "skipped", "empty: click", 0, 1, "")
_FAIL = _row("L-3", "telegram", "failed", "status 200, ok is false", 1, 1, "r-3")
_ROWS = [_DONE, _FAIL, _SKIP, _RETRY]  # newest first, as the log lists them
_NAME = {"name": "Jö & Söhne"}


def _arrivals(**changed: Arrival) -> dict[str, Arrival]:
    return {"r-1": Arrival(_NAME, times=2, accepted=1), "r-3": Arrival({}, times=1), **changed}


def _without(*left_out: Listed) -> list[Listed]:
    return [row for row in _ROWS if row not in left_out]


def test_all_as_expected_is_whole_and_nothing_is_wrong() -> None:
    compared = compare(_EXPECTED, _ROWS, _arrivals())
    assert compared.is_whole
    assert compared.wrong() == []
    assert [[row.outcome for row in line.rows] for line in compared.lines] == [
        ["retrying", "delivered"],
        ["skipped"],
        ["failed"],
    ]


@pytest.mark.parametrize("missing", _ROWS, ids=lambda row: row.outcome)
def test_a_row_that_has_not_come_is_missing(missing: Listed) -> None:
    compared = compare(_EXPECTED, _without(missing), _arrivals())
    told = " ".join(compared.wrong())
    assert missing.lead_id in told
    assert missing.outcome in told


def test_rows_on_their_way_are_no_fault_yet() -> None:
    compared = compare(_EXPECTED, [_RETRY], {"r-1": Arrival(_NAME, times=1), "r-3": Arrival({}, times=1)})
    assert not compared.is_whole
    assert not any(line.faults for line in compared.lines)
    assert not compared.faults
    assert compared.wrong() == [
        "L-1 tracker new: delivered is missing",
        "L-2 tracker new: skipped is missing",
        "L-3 telegram new: failed is missing",
    ]


_WRONG_ROWS = {
    "another outcome": ([*_without(_SKIP), replace(_SKIP, outcome="delivered")], "L-2 tracker new: expected"),
    "another reason": ([*_without(_FAIL), replace(_FAIL, reason="status 500")], "'ok is false'"),
    "one row too many": ([*_ROWS, replace(_DONE, attempt=3, attempt_id="x")], "delivered then delivered"),
    "another order": ([_SKIP, _FAIL, replace(_RETRY, logged_at=_DONE.logged_at, attempt=9), _DONE], "L-1"),
    "another lead": ([*_ROWS, replace(_SKIP, lead_id="L-9")], "L-9 tracker new: nothing expected"),
    "another request": ([*_without(_DONE), replace(_DONE, request_id="r-2")], "different request ids"),
}


@pytest.mark.parametrize(("rows", "told"), _WRONG_ROWS.values(), ids=_WRONG_ROWS)
def test_rows_that_are_not_as_expected_are_told(rows: list[Listed], told: str) -> None:
    assert told in " ".join(compare(_EXPECTED, rows, _arrivals()).wrong())


_WRONG_ARRIVALS = {
    "never arrived": (Arrival({}), "sent 2 times, arrived 0 times"),
    "arrived too often": (Arrival(_NAME, times=3, accepted=1), "sent 2 times, arrived 3 times"),
    "accepted twice": (Arrival(_NAME, times=2, accepted=2), "accepted it 2 times, expected 1"),
    "never accepted": (Arrival(_NAME, times=2), "accepted it 0 times, expected 1"),
    "another value": (Arrival({"name": "Jö"}, times=2, accepted=1), "read name as 'Jö'"),
    "a value missing": (Arrival({}, times=2, accepted=1), "read name as None"),
}


@pytest.mark.parametrize(("arrival", "told"), _WRONG_ARRIVALS.values(), ids=_WRONG_ARRIVALS)
def test_arrivals_that_do_not_fit_their_rows_are_told(arrival: Arrival, told: str) -> None:
    assert told in " ".join(compare(_EXPECTED, _ROWS, _arrivals(**{"r-1": arrival})).wrong())


def test_what_nobody_answered_may_have_arrived_or_not_but_not_more_often_than_it_was_sent() -> None:
    unanswered = replace(_RETRY, response_status=None)
    rows = [unanswered if row is _RETRY else row for row in _ROWS]
    for times, wrong in ((1, 0), (2, 0), (3, 1), (0, 1)):
        arrivals = _arrivals(**{"r-1": Arrival(_NAME, times=times, accepted=1)})
        assert len(compare(_EXPECTED, rows, arrivals).wrong()) == wrong, times


def test_what_failed_must_not_have_been_accepted() -> None:
    [wrong] = compare(_EXPECTED, _ROWS, _arrivals(**{"r-3": Arrival({}, times=1, accepted=1)})).wrong()
    assert wrong == "L-3 telegram new: the receiver accepted it 1 times, expected 0"


def test_an_arrival_without_a_row_is_told() -> None:
    [wrong] = compare(_EXPECTED, _ROWS, _arrivals(**{"r-7": Arrival({}, times=1)})).wrong()
    assert wrong == "request r-7 arrived, and no row says so"


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ([_SKIPPED, _FAILED], "a retry is not among the rows"),
        ([_DELIVERED, _FAILED], "a skip is not among the rows"),
        ([_DELIVERED, _SKIPPED], "a final failure is not among the rows"),
    ],
)
def test_a_retry_a_skip_and_a_failure_must_be_among_the_rows(expected: list[Expected], told: str) -> None:
    leads = {one.lead for one in expected}
    rows = [row for row in _ROWS if row.lead_id in leads]
    ids = {row.request_id for row in rows}
    arrivals = {id_: arrival for id_, arrival in _arrivals().items() if id_ in ids}
    assert compare(expected, rows, arrivals).wrong() == [told]
