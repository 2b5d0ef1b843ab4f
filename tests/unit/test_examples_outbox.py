"""The outbox and its Debezium mapping: what the connector writes is a lead event, keyed by its lead.

The event router itself is Java and not run here: what it does with a row is retold by its documentation.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from app.leads.events import LeadEvent, Malformed, decode
from app.topics import topics_of

_FOLDER = Path(__file__).parents[2] / "examples" / "outbox"
_STRINGS = "org.apache.kafka.connect.storage.StringConverter"
_OURS = "transforms.outbox."
_ROUTER = {  # https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
    "type",
    "route.by.field",
    "route.topic.replacement",
    "table.field.event.id",
    "table.field.event.key",
    "table.field.event.payload",
    "table.fields.additional.placement",
}
_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
_ROW = {
    "id": _ID,
    "aggregatetype": "lead-events",
    "lead_id": "L-1001",
    # jsonb, as PostgreSQL prints it after the trigger
    "payload": f'{{"price": 12.5, "status": "approve", "lead_id": "L-1001", "event_id": "{_ID}", '
    '"occurred_at": "2026-11-24T10:00:00.123Z"}',
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


def _config() -> dict[str, str]:
    config: dict[str, str] = json.loads((_FOLDER / "debezium.json").read_text())["config"]
    return config


def _routed(row: dict[str, str], config: dict[str, str]) -> tuple[str, Any, dict[str, str], Any]:
    """Topic, key, headers and value that the event router makes of an inserted row."""
    router = {name.removeprefix(_OURS): told for name, told in config.items() if name.startswith(_OURS)}
    assert router.keys() == _ROUTER
    topic = router["route.topic.replacement"].replace("${routedByValue}", row[router["route.by.field"]])
    headers = {"id": row[router["table.field.event.id"]]}
    for placed in router["table.fields.additional.placement"].split(","):
        column, _, where = placed.partition(":")
        assert where == "header"
        headers[column] = row[column]
    return topic, row[router["table.field.event.key"]], headers, row[router["table.field.event.payload"]]


def test_what_debezium_writes_of_a_row_is_a_lead_event_keyed_by_its_lead() -> None:
    config = _config()
    assert {config[f"{part}.converter"] for part in ("key", "value", "header")} == {_STRINGS}
    topic, key, headers, value = _routed(_ROW, config)
    assert topic == topics_of("postbacks", 12, 7, ["5s"]).lead_events.name
    event = decode(value.encode())
    assert isinstance(event, LeadEvent)
    assert (event.event_id, event.lead_id, event.status, event.price) == (_ID, key, "approve", 12.5)
    assert event.occurred_ms() == 1_795_514_400_123
    assert headers == {"id": _ID, "traceparent": _ROW["traceparent"]}


def test_with_json_converters_the_value_would_be_a_text_and_is_refused() -> None:
    *_, value = _routed(_ROW, _config())
    bare = decode(json.dumps(value).encode())
    wrapped = decode(json.dumps({"schema": {"type": "string"}, "payload": value}).encode())
    assert isinstance(bare, Malformed)
    assert isinstance(wrapped, Malformed)
    assert "expected an object" in str(bare)


def test_the_columns_of_the_mapping_are_those_of_the_table() -> None:
    sql = (_FOLDER / "outbox.sql").read_text()
    [columns] = re.findall(r"CREATE TABLE lead_outbox\n\((.*?)\n\);", sql, re.DOTALL)
    assert {line.split()[0] for line in columns.strip().splitlines()} == _ROW.keys()
