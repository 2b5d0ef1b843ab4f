"""Records of Kafka become rows, and what is none is a value that says why."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from app.log.rows import (
    BadRecord,
    Record,
    Row,
    flow_version_row,
    lead_event_row,
    log_row,
    log_rows,
    price_of,
    text_of,
    time_of,
)
from app.log.tables import FLOW_VERSIONS, LEAD_EVENTS, POSTBACK_LOG
from app.messages.record import Address, LogRecord
from app.messages.request import Tags

A_RECORD = LogRecord(
    logged_at=1_795_521_600_123,
    requested_at=1_795_521_600_000,
    outcome="retrying",
    attempt_id="a1",
    source=Address(3, 17, 2),
    source_topic="p.postback-requests",
    request_id="r1",
    attempt=2,
    lead_id="L-1",
    flow_id="F-7",
    response_status=503,
    next_attempt_at=1_795_521_605_000,
    price=12.5,
    tags=Tags(utm_source="fb", subid="s"),
)


def kafka(value: bytes | None, key: bytes | None = b"L-1") -> Record:
    return Record(3, 40, 1_795_521_600_999, key, value)


def named(row: Row | BadRecord) -> dict[str, object]:
    assert isinstance(row, Row), row
    return dict(zip(POSTBACK_LOG.columns, row.fields, strict=True))


def test_a_log_record_becomes_a_row_in_column_order() -> None:
    (row,) = log_rows(kafka(msgspec.json.encode([A_RECORD])))
    fields = named(row)
    assert fields["logged_at"] == 1_795_521_600_123
    assert fields["next_attempt_at"] == 1_795_521_605_000
    assert (fields["request_partition"], fields["request_offset"], fields["request_index"]) == (3, 17, 2)
    assert (fields["log_partition"], fields["log_offset"], fields["log_index"]) == (3, 40, 0)
    assert (fields["utm_source"], fields["utm_term"], fields["subid"]) == ("fb", "", "s")
    assert (fields["attempt"], fields["attempts"]) == (2, 2)
    assert fields["price"] == Decimal("12.5")
    assert fields["flow_version"] == -1


def test_each_value_of_an_envelope_has_its_index_and_its_own_bytes() -> None:
    values = [msgspec.json.encode(A_RECORD), b'{"outcome":"unheard of"}', msgspec.json.encode(A_RECORD)]
    found = log_rows(kafka(b"[" + b",".join(values) + b"]"))
    assert [item.address for item in found] == [Address(3, 40, index) for index in range(3)]
    assert [item.original for item in found] == values
    assert [type(item) for item in found] == [Row, BadRecord, Row]
    assert {item.key for item in found} == {b"L-1"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b"[1,",
        b"[" * 5000,
        b"[" * 5000 + b"]" * 5000,
        b"{}" * 3,
        msgspec.json.encode(A_RECORD),
    ],
)
def test_what_is_no_envelope_is_one_bad_record_with_all_its_bytes(value: bytes | None) -> None:
    (bad,) = log_rows(kafka(value))
    assert isinstance(bad, BadRecord)
    assert bad.address == Address(3, 40, 0)
    assert bad.original == value
    assert bad.is_whole
    assert bad.reason


@pytest.mark.parametrize(
    "value",
    [
        b"17",
        b"null",
        b"[]",
        b"{}",
        b'{"logged_at":"now"}',
        msgspec.json.encode(A_RECORD).replace(b'"retrying"', b'"tried"'),
        msgspec.json.encode(A_RECORD).replace(b'"a1"', b"1"),
        msgspec.json.encode(A_RECORD).replace(b'"a1"', b'"\xff"'),
    ],
)
def test_what_is_no_log_record_is_a_bad_record_alone(value: bytes) -> None:
    good = msgspec.json.encode(A_RECORD)
    before, bad, after = log_rows(kafka(b"[" + good + b"," + value + b"," + good + b"]"))
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, BadRecord)
    assert bad.original == value
    assert bad.address == Address(3, 40, 1)


def test_an_envelope_without_values_is_no_row() -> None:
    assert log_rows(kafka(b"[]")) == []


def test_a_lone_surrogate_in_an_envelope_costs_no_row() -> None:
    value = msgspec.json.encode([A_RECORD, A_RECORD]).replace(b'"L-1"', b'"L-\\ud800"', 1)
    first, second = log_rows(kafka(value))
    assert named(first)["lead_id"] == "L-\ufffd"
    assert named(second)["lead_id"] == "L-1"


def test_only_lone_surrogates_are_made_good() -> None:
    value = msgspec.json.encode([A_RECORD, A_RECORD, A_RECORD])
    strange = value.replace(b'"L-1"', b'"\\\\\\ud800 \\ud83d\\ude00 \\\\ud800"', 1)
    strange = strange.replace(b'"L-1"', b'"\\udfff \xff"', 1)
    first, second, third = log_rows(kafka(strange))
    assert named(first)["lead_id"] == "\\\ufffd \U0001f600 \\ud800"
    assert isinstance(second, BadRecord)
    assert b"\\udfff \xff" in (second.original or b"")
    assert named(third)["lead_id"] == "L-1"


def test_a_row_without_a_sending_says_how_many_there_were() -> None:
    fields = named(log_row(msgspec.structs.replace(A_RECORD, attempt=0, attempts=5), Address(0, 0)))
    assert (fields["attempt"], fields["attempts"]) == (0, 5)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, ""),
        ("", ""),
        ("a\x00b", "a\x00b"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("é😀\u2028", "é😀\u2028"),
    ],
)
def test_a_text_has_a_utf_8_form(text: str | None, wanted: str) -> None:
    assert text_of(text) == wanted


@pytest.mark.parametrize(
    ("price", "wanted"),
    [
        (None, None),
        (0.0, "0"),
        (-0.0, "0"),
        (12.5, "12.5"),
        (1e-7, "0"),
        (0.1 + 0.2, "0.3"),
        (999_999_999_999.99, "999999999999.99"),
        (1e12, None),
        (-1e12, None),
        (1e300, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_price_is_exact_to_a_millionth_or_null(price: float | None, wanted: str | None) -> None:
    found = price_of(price)
    assert found == (None if wanted is None else Decimal(wanted))


def test_a_time_is_put_into_what_the_column_holds() -> None:
    assert [time_of(t) for t in (-(10**18), 0, 10**18)] == [-2_208_988_800_000, 0, 10_413_791_999_999]


def test_a_lead_event_is_kept_whatever_it_is() -> None:
    for value, ids in [
        (b'{"lead_id":"L-9","flow_id":"F-7","event_id":"e"}', ("L-9", "F-7", "e")),
        (b'{"lead_id":"L-9","flow_id":null}', ("L-9", "", "")),
        (b'{"lead_id":17}', ("L-1", "", "")),
        (b"\xff\x00", ("L-1", "", "")),
        (None, ("L-1", "", "")),
        (b"[" * 5000, ("L-1", "", "")),
    ]:
        fields = dict(zip(LEAD_EVENTS.columns, lead_event_row(kafka(value)).fields, strict=True))
        assert (fields["lead_id"], fields["flow_id"], fields["event_id"]) == ids
        assert fields["value"] == (value or b"")
        assert (fields["partition"], fields["offset"]) == (3, 40)


def test_a_null_flow_config_deletes_the_flow() -> None:
    for value, deleted in [(b'{"flow_id":"F-7"}', False), (None, True), (b"", False)]:
        row = flow_version_row(kafka(value, key=b"F-7"))
        fields = dict(zip(FLOW_VERSIONS.columns, row.fields, strict=True))
        assert (fields["flow_id"], fields["deleted"]) == ("F-7", deleted)


def test_a_key_that_is_no_text_still_names_something() -> None:
    row = lead_event_row(kafka(b"no JSON", key=b"\xffx"))
    assert dict(zip(LEAD_EVENTS.columns, row.fields, strict=True))["lead_id"] == "\ufffdx"
    row = lead_event_row(kafka(b"no JSON", key=None))
    assert dict(zip(LEAD_EVENTS.columns, row.fields, strict=True))["lead_id"] == ""
