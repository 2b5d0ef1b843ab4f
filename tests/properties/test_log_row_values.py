"""Whatever a record's bytes are: there is a row or a reason for every value, and never an exception."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.log.rows import BadRecord, Record, Row, flow_version_row, lead_event_row, log_rows, text_of
from app.log.tables import FLOW_VERSIONS, LEAD_EVENTS, POSTBACK_LOG
from app.messages.record import Address, LogRecord

any_text = st.text(st.characters(codec=None), max_size=20)  # lone surrogates too
whole = st.integers(-(2**63), 2**63 - 1)
log_records = st.builds(
    LogRecord,
    logged_at=whole,
    requested_at=whole,
    outcome=st.sampled_from(["delivered", "skipped"]),
    attempt_id=st.text(max_size=5),
    source=st.builds(Address, st.integers(0, 9), whole, st.integers(0, 31)),
    source_topic=st.text(max_size=5),
    url=st.text(max_size=20),
    price=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    next_attempt_at=st.none() | whole,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | json_values.map(msgspec.json.encode))
def test_any_bytes_are_rows_or_reasons(value: bytes) -> None:
    record = Record(1, 2, 3, b"k", value)
    for found in log_rows(record):
        assert isinstance(found, (Row, BadRecord))
    assert len(lead_event_row(record).fields) == len(LEAD_EVENTS.columns)
    assert len(flow_version_row(record).fields) == len(FLOW_VERSIONS.columns)
    assert lead_event_row(record).fields[-1] == value


@given(st.lists(log_records, max_size=5))
def test_every_log_record_is_a_row_with_all_its_fields(records: list[LogRecord]) -> None:
    found = log_rows(Record(1, 2, 3, b"k", msgspec.json.encode(records)))
    assert [item.address.index for item in found] == list(range(len(records)))
    for item, record in zip(found, records, strict=True):
        assert isinstance(item, Row)
        assert len(item.fields) == len(POSTBACK_LOG.columns)
        assert msgspec.json.decode(item.original, type=LogRecord) == record


@given(any_text)
def test_a_text_changes_only_where_it_has_no_utf_8_form(text: str) -> None:
    found = text_of(text)
    found.encode()
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert found == text
    assert text_of(found) == found
