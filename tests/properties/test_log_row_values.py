"""Whatever a record's bytes are: there is a row or a reason for every value, and never an exception."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from hypothesis import given
from hypothesis import strategies as st

from app.log.columns import columns_of
from app.log.native import native_block
from app.log.rows import Record, flow_version, lead_event, log_records
from app.log.tables import FLOW_VERSIONS, LEAD_EVENTS, POSTBACK_LOG
from app.messages.record import Address, LogRecord
from app.messages.request import Tags
from tests.log_batches import batch_of, envelope, rows_of

whole = st.integers(-(2**63), 2**63 - 1)
a_text = st.text(max_size=20)
texts = st.dictionaries(a_text, a_text, max_size=3)
log_records_ = st.builds(
    LogRecord,
    logged_at=whole,
    requested_at=whole,
    outcome=st.sampled_from(["delivered", "skipped"]),
    attempt_id=st.text(max_size=5),
    source=st.builds(Address, st.integers(0, 9), whole, st.integers(0, 31)),
    source_topic=st.text(max_size=5),
    url=a_text,
    host=st.sampled_from(["a.example", "b.example"]) | a_text,
    response_status=st.none() | st.integers(0, 65535),
    duration_ms=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    request_headers=texts,
    response_headers=texts,
    tags=st.builds(Tags, utm_source=st.none() | a_text),
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
    found = log_records(record)
    assert len(found.values) == len(found.indexes)
    assert all(bad.reason for bad in found.bad)
    (event,) = rows_of(LEAD_EVENTS, record, lead_event(record))
    assert event["value"] == value
    (version,) = rows_of(FLOW_VERSIONS, record, flow_version(record))
    assert version["value"] == value


@given(st.lists(log_records_, min_size=1, max_size=5), st.data())
def test_every_value_of_an_envelope_is_a_row_or_a_reason_at_its_index(
    records: list[LogRecord], data: st.DataObject
) -> None:
    values: list[LogRecord | bytes] = [*records]
    broken = data.draw(st.sets(st.integers(0, len(values) - 1)))
    for at in broken:
        values[at] = data.draw(st.sampled_from([b"17", b"{}", b"[]", b'{"outcome":"\\ud800"}']))
    found = log_records(Record(1, 2, 3, b"k", envelope(*values)))
    assert dict(zip(found.indexes, found.values, strict=True)) == {
        at: record for at, record in enumerate(records) if at not in broken
    }
    assert {bad.address.index: bad.original for bad in found.bad} == {at: values[at] for at in broken}


@given(st.lists(log_records_, min_size=1, max_size=300))
def test_what_is_written_is_what_clickhouse_connect_would_write(records: list[LogRecord]) -> None:
    batch = batch_of(dict(enumerate(records)))
    columns = columns_of(POSTBACK_LOG, batch.rows)
    block = native_block(POSTBACK_LOG, columns)
    price = POSTBACK_LOG.columns.index("price")
    theirs = list(columns)
    theirs[price] = [None if p is None else Decimal(p).scaleb(-6) for p in columns[price]]
    types = [get_from_name(type_) for type_ in POSTBACK_LOG.types]
    context = InsertContext("t", POSTBACK_LOG.columns, types, theirs, column_oriented=True, block_size=10**6)
    wanted = b"".join(NativeTransform.build_insert(context))
    assert block == wanted.partition(b"FORMAT Native\n")[2]
