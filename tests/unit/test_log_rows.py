"""Records of Kafka become rows, and what is none is a value that says why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.log.columns import columns_of, millionths_of, times_of
from app.log.native import Unfit, native_block
from app.log.rows import Record, flow_version, lead_event, log_records, original_of
from app.log.tables import FLOW_VERSIONS, LEAD_EVENTS, POSTBACK_LOG
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from tests.log_batches import envelope, log_batch, rows_of

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


def rows(value: bytes | None) -> list[dict[str, Any]]:
    return rows_of(POSTBACK_LOG, kafka(value), log_records(kafka(value)))


def test_a_log_record_becomes_a_row_in_column_order() -> None:
    (fields,) = rows(envelope(A_RECORD))
    assert fields["logged_at"] == 1_795_521_600_123
    assert fields["next_attempt_at"] == 1_795_521_605_000
    assert (fields["request_partition"], fields["request_offset"], fields["request_index"]) == (3, 17, 2)
    assert (fields["log_partition"], fields["log_offset"], fields["log_index"]) == (3, 40, 0)
    assert (fields["utm_source"], fields["utm_term"], fields["subid"]) == ("fb", "", "s")
    assert (fields["attempt"], fields["attempts"]) == (2, 2)
    assert fields["price"] == 12_500_000
    assert fields["flow_version"] == -1


def test_each_value_of_an_envelope_has_its_index_and_its_own_bytes() -> None:
    values = [msgspec.json.encode(A_RECORD), b'{"outcome":"unheard of"}', msgspec.json.encode(A_RECORD)]
    record = kafka(envelope(*values))
    found = log_records(record)
    assert list(found.indexes) == [0, 2]
    assert [original_of(record, v, i) for v, i in zip(found.values, found.indexes, strict=True)] == [
        values[0],
        values[2],
    ]
    (bad,) = found.bad
    assert (bad.address, bad.original, bad.key, bad.is_whole) == (
        Address(3, 40, 1),
        values[1],
        b"L-1",
        False,
    )


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
    found = log_records(kafka(value))
    (bad,) = found.bad
    assert not found.values
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
    found = log_records(kafka(envelope(A_RECORD, value, A_RECORD)))
    assert list(found.values) == [A_RECORD, A_RECORD]
    assert list(found.indexes) == [0, 2]
    (bad,) = found.bad
    assert bad.original == value
    assert bad.address == Address(3, 40, 1)


def test_an_envelope_without_values_is_no_row() -> None:
    assert len(log_records(kafka(b"[]"))) == 0


def test_a_lone_surrogate_in_an_envelope_costs_no_row() -> None:
    value = msgspec.json.encode([A_RECORD, A_RECORD]).replace(b'"L-1"', b'"L-\\ud800"', 1)
    assert [row["lead_id"] for row in rows(value)] == ["L-\ufffd", "L-1"]


def test_only_lone_surrogates_are_made_good() -> None:
    value = msgspec.json.encode([A_RECORD, A_RECORD, A_RECORD])
    strange = value.replace(b'"L-1"', b'"\\\\\\ud800 \\ud83d\\ude00 \\\\ud800"', 1)
    strange = strange.replace(b'"L-1"', b'"\\udfff \xff"', 1)
    assert [row["lead_id"] for row in rows(strange)] == ["\\\ufffd \U0001f600 \\ud800", "L-1"]
    (bad,) = log_records(kafka(strange)).bad
    assert bad.address == Address(3, 40, 1)
    assert b"\\udfff \xff" in (bad.original or b"")


def test_a_row_without_a_sending_says_how_many_there_were() -> None:
    (fields,) = rows(envelope(msgspec.structs.replace(A_RECORD, attempt=0, attempts=5)))
    assert (fields["attempt"], fields["attempts"]) == (0, 5)


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
    assert millionths_of(price) == (None if wanted is None else Decimal(wanted) * 1_000_000)


def test_a_time_is_put_into_what_the_column_holds() -> None:
    assert times_of([-(10**18), 0, None, 10**18]) == [-2_208_988_800_000, 0, None, 10_413_791_999_999]
    assert times_of([0, None, 1]) == [0, None, 1]
    assert times_of([None]) == [None]
    assert times_of([]) == []


@pytest.mark.parametrize(("field", "value"), [("attempt", 2**32), ("response_status", -1), ("lead_seq", -1)])
def test_a_number_that_does_not_fit_is_named_by_its_column(field: str, value: int) -> None:
    batch = log_batch([(Address(0, 1), msgspec.structs.replace(A_RECORD, **{field: value}))])
    with pytest.raises(Unfit, match=f"^{field}: "):
        native_block(POSTBACK_LOG, columns_of(POSTBACK_LOG, batch.rows))


def test_a_lead_event_is_kept_whatever_it_is() -> None:
    for value, ids in [
        (b'{"lead_id":"L-9","flow_id":"F-7","event_id":"e"}', ("L-9", "F-7", "e")),
        (b'{"lead_id":"L-9","flow_id":null}', ("L-9", "", "")),
        (b'{"lead_id":17}', ("L-1", "", "")),
        (b"\xff\x00", ("L-1", "", "")),
        (None, ("L-1", "", "")),
        (b"[" * 5000, ("L-1", "", "")),
    ]:
        (fields,) = rows_of(LEAD_EVENTS, kafka(value), lead_event(kafka(value)))
        assert (fields["lead_id"], fields["flow_id"], fields["event_id"]) == ids
        assert fields["value"] == (value or b"")
        assert (fields["partition"], fields["offset"]) == (3, 40)
        assert fields["recorded_at"] == 1_795_521_600_999


def test_a_null_flow_config_deletes_the_flow() -> None:
    for value, deleted in [(b'{"flow_id":"F-7"}', False), (None, True), (b"", False)]:
        record = kafka(value, key=b"F-7")
        (fields,) = rows_of(FLOW_VERSIONS, record, flow_version(record))
        assert (fields["flow_id"], fields["deleted"]) == ("F-7", deleted)


def test_a_key_that_is_no_text_still_names_something() -> None:
    for key, wanted in ((b"\xffx", "\ufffdx"), (None, "")):
        (event,) = lead_event(kafka(b"no JSON", key=key)).values
        assert event.lead_id == wanted
