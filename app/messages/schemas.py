"""JSON Schemas of the topics' values, generated from the types that read them.

What a type cannot say is added here: which fields an event needs, that unknown keys are ignored, which
texts are statuses and times. What JSON Schema cannot say either (a lone surrogate, an integer out of
range, the 256 KiB of an event, a template that compiles) is in the descriptions.
"""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.flows.written import FlowConfig
from app.leads.events import LeadEvent
from app.leads.instant import PATTERN
from app.leads.malformed import IDS, STATUSES
from app.messages.envelope import MAX_VALUES
from app.messages.erasure import Erasure
from app.messages.record import LogRecord
from app.messages.request import Request
from app.messages.state import PostbackState

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_BLANK = {"type": "string", "pattern": r"^\s*$"}
_EVENT = """A lead event, the value of lead-events; the record's key is the lead id.

Required are event_id and lead_id, and flow_id and status on a lead's first event. An absent field keeps
what the lead has, null clears it. A text that is empty or all white space counts as missing. Unknown keys
are ignored. At most 262144 bytes, nested at most 64 deep; integers from -2^63 to 2^64-1, no infinite
number, no lone surrogate."""
_NOTES = {
    "event_id": "Names the event: one of a lead's last 64 changes nothing when it comes again.",
    "lead_id": "Names the lead.",
    "flow_id": "The lead's flow. Null or blank: as absent.",
    "status": "The lead's new status; wait is read as new. Null or blank: as absent.",
    "occurred_at": "When it happened, ISO 8601, UTC without an offset. Absent: the record's timestamp.",
    "goal": "The goal that was reached.",
    "price": "A number; a text is refused.",
    "silent": "Fold the event and fire nothing.",
    "erase": "Forget the lead and send nothing more of it; nothing else of the event counts.",
    "tags": "Columns of the log: utm_source utm_campaign utm_content utm_term utm_medium subid; others any.",
    "meta": "Anything else that macros may use.",
}
_ENVELOPE = """An envelope: up to {most} values of one partition in one record, or one over 512 KiB alone.
A value's address is the record's partition and offset and its index in this array.

{what}"""
_KEPT = """What was in {source} and could not be used: key, value and headers as they came, whatever they are,
so the value need not be JSON. Headers that are added, all text:

{headers}"""
_REQUEST = """Rendered requests: postback-requests and postback-retries.<delay>, by lead id. Times are Unix
milliseconds. A secret is a slot, never a value."""
_STATE = """Whether a postback is parked: postback-states. The record's key is a JSON array of flow id and
postback id, such as ["F-7","fb"]; without a record the postback is active."""
_ERASURE = """That a lead was erased: lead-erasures, one value a record, by lead id. Requests made of its
events up to `until`, Unix milliseconds, are not sent; of several
records of a lead the furthest `until` counts."""
_PARKED = """A rendered request that its parked postback keeps: postback-parked, one value a record and no
envelope, null when it was released or discarded. The record's key is the request id, and .1, .2, … for a
replay. Times are Unix milliseconds. A secret is a slot, never a value."""
_RECORD = """Log records: postback-log, by lead id, one for each attempt, skip and rejection. Times are Unix
milliseconds."""
_REJECTED = {
    "reason": "why, with the path of the first wrong field",
    "source_topic": "the topic it was read from",
    "source_partition": "its partition there",
    "source_offset": "its offset there",
}


def schemas() -> dict[str, Schema]:
    """The schemas by name; the name of the file is `NAME.json`."""
    return {
        "lead-event": _lead_event(),
        "flow-config": _titled("flow-config", _schema_of(FlowConfig)),
        "postback-request": _envelope("postback-request", Request, _REQUEST),
        "postback-state": _titled("postback-state", {**_schema_of(PostbackState), "description": _STATE}),
        "lead-erasure": _titled("lead-erasure", {**_schema_of(Erasure), "description": _ERASURE}),
        "postback-parked": _titled("postback-parked", {**_schema_of(Request), "description": _PARKED}),
        "postback-log": _envelope("postback-log", LogRecord, _RECORD),
        "lead-events-rejected": _rejected("lead-events-rejected", "lead-events", _REJECTED),
        "postback-log-rejected": _rejected(
            "postback-log-rejected",
            "postback-log",
            {**_REJECTED, "source_index": "its index in the envelope, when it is one value of one"},
        ),
    }


def text_of(content: Schema) -> str:
    """A schema as it stands in its file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _lead_event() -> Schema:
    made = _schema_of(LeadEvent)
    for fields in (made, made["$defs"]["Click"], made["$defs"]["Customer"]):
        del fields["additionalProperties"]  # the decoder looks again, and ignores what it does not know
        for field in fields["properties"].values():
            field.pop("default", None)
    fields = made["properties"]
    fields |= {name: {"type": "string", "pattern": r"\S"} for name in IDS}
    fields["status"] = {"anyOf": [{"enum": [*STATUSES, None]}, _BLANK]}
    fields["occurred_at"] = {
        "anyOf": [{"type": "string", "pattern": f"^{PATTERN}$"}, {"type": "null"}, _BLANK]
    }
    fields["silent"] = fields["erase"] = {"type": ["boolean", "null"]}
    for name, note in _NOTES.items():
        fields[name]["description"] = note
    made["required"] = list(IDS)
    made["description"] = _EVENT
    return _titled("lead-event", made)


def _envelope(name: str, value: Any, what: str) -> Schema:
    made = _schema_of(Annotated[list[value], Meta(min_length=1, max_length=MAX_VALUES)])
    made["description"] = _ENVELOPE.format(most=MAX_VALUES, what=what)
    return _titled(name, made)


def _rejected(name: str, source: str, headers: dict[str, str]) -> Schema:
    told = "\n".join(f"{header}: {what}" for header, what in headers.items())
    return _titled(
        name, {"description": _KEPT.format(source=source, headers=told), "x-headers": list(headers)}
    )


def _titled(name: str, made: Schema) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:postbacks:{name}", **made, "title": name}


def _schema_of(kind: Any) -> Schema:
    """The schema of a type, its own definition at the top and the others under `$defs`."""
    (made,), defs = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    if "$ref" in made:
        made = defs.pop(made["$ref"].rpartition("/")[2])
    tidied: Schema = tidy({**made, **({"$defs": dict(sorted(defs.items()))} if defs else {})})
    return tidied


def tidy(node: Any) -> Any:
    """The same schema, shorter: plain alternatives as one list of types, descriptions without indents."""
    if isinstance(node, list):
        return [tidy(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {key: tidy(part) for key, part in node.items()}
    if isinstance(node.get("description"), str):
        node["description"] = inspect.cleandoc(node["description"])
    if "anyOf" in node:
        plain = [part["type"] for part in node["anyOf"] if part.keys() == {"type"}]
        others = [part for part in node["anyOf"] if part.keys() != {"type"}]
        if "number" in plain and "integer" in plain:
            plain.remove("integer")
        if not others:
            node = {"type": plain, **{key: part for key, part in node.items() if key != "anyOf"}}
        elif len(plain) > 1:
            node["anyOf"] = [{"type": plain}, *others]
    return node
