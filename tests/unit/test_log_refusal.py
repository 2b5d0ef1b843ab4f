"""Which error of ClickHouse is about the data, how long is waited for the others, where LOG goes on."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from app.log.native import Unfit
from app.log.refusal import Away, Refused, backoff_s, shortened
from app.log.rows import BadRecord, Found
from app.log.start import GoOn, MadeAnew, left_of, where_to_go_on
from app.log.writer import classify, database_of, shown
from app.messages.record import Address


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DatabaseError("Code: 469. DB::Exception: violated", code=469), Refused),
        (DatabaseError("Code: 321. DB::Exception: out of range", code=321), Refused),
        (Unfit("attempt: too large"), Refused),
        (DatabaseError("too many parts", code=252), Away),
        (DatabaseError("memory", code=241), Away),
        (DatabaseError("no such table", code=60), Away),
        (DatabaseError("wrong password", code=516), Away),
        (DatabaseError("never heard of", code=99_999), Away),
        (DatabaseError("HTTP driver received HTTP status 502"), Away),
        (OperationalError("Network Error: refused"), Away),
        (ConnectionResetError("reset"), Away),
        (TimeoutError(), Away),
    ],
)
def test_only_what_speaks_of_the_data_is_a_refusal(error: Exception, kind: type) -> None:
    assert isinstance(classify(error), kind)


def test_a_mistake_of_ours_is_not_waited_for() -> None:
    with pytest.raises(RuntimeError):
        classify(RuntimeError("a bug"))


def test_a_reason_is_one_short_line() -> None:
    text = "Received ClickHouse exception, code: 469, server response: Code: 469. DB::Exception: no.\nstack"
    assert shortened(text) == "no."
    text = "Code: 60. DB::Exception: No t. (UNKNOWN_TABLE) (version 26.9.2.1 (official build)) (for url http://h)"
    assert shortened(text) == "No t. (UNKNOWN_TABLE)"
    assert shortened("") == ""
    assert len(shortened("x" * 10_000)) <= 500


def test_waits_grow_from_half_a_second_to_half_a_minute() -> None:
    assert [backoff_s(tries, 0.5) for tries in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff_s(10**6, 1.0) == pytest.approx(36)
    assert backoff_s(1, 0.0) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("highest", "committed", "end", "wanted"),
    [
        (None, None, 0, GoOn(0)),
        (None, None, 50, GoOn(0)),
        (None, 20, 50, GoOn(20)),
        (Address(0, 30, 4), 20, 50, GoOn(30, 4)),
        (Address(0, 30, 4), None, 50, GoOn(30, 4)),
        (Address(0, 30, 4), 31, 50, GoOn(30, 4)),
        (Address(0, 30, 4), 40, 50, GoOn(40)),
        (Address(0, 49, 0), 50, 50, GoOn(49, 0)),
    ],
)
def test_log_goes_on_behind_what_is_stored(
    highest: Address | None, committed: int | None, end: int, wanted: GoOn
) -> None:
    assert where_to_go_on("t", 0, highest=highest, committed=committed, end=end) == wanted


@pytest.mark.parametrize(("highest", "committed"), [(Address(0, 50), None), (Address(0, 99), 10), (None, 51)])
def test_a_topic_that_was_made_anew_is_named(highest: Address | None, committed: int | None) -> None:
    found = where_to_go_on("p.postback-log", 3, highest=highest, committed=committed, end=50)
    assert isinstance(found, MadeAnew)
    assert "p.postback-log" in found.reason
    assert "partition 3" in found.reason


def test_of_a_record_that_is_stored_in_part_the_rest_is_taken() -> None:
    start = GoOn(30, 4)
    bad = (
        BadRecord(Address(0, 30, 3), "stored", b"", None),
        BadRecord(Address(0, 30, 6), "not yet", b"", None),
    )
    found = Found("abdef", (0, 1, 2, 4, 5), bad)
    assert left_of(start, 29, found) == Found((), ())
    assert left_of(start, 30, found) == Found(["f"], [5], [bad[1]])
    assert left_of(start, 31, found) is found


def test_a_url_is_shown_without_its_password() -> None:
    assert shown("http://u:p%40ss@db.example:9000/x") == "http://db.example:9000/x"
    assert database_of("http://u:p@h/my%20base/") == "my base"
    assert database_of("http://h:8123") == "default"
