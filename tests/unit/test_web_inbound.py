"""What a network's call says, as a lead event; and the file that maps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.reader import SettingsFault
from app.leads.events import LeadEvent, decode
from app.web.inbound import Mapped, WrongCall, event_of, read_inbound

TOKEN = "network-0123456789"
MAPPED = Mapped(
    "F-7",
    {
        "lead_id": "id", "status": "st", "price": "payout", "click.id": "subid", "tags.utm_source": "src",
        "meta.offer": "offer", "occurred_at": "ts", "goal": "goal", "customer.phone": "tel",
    },
    {"sale": "approve"},
)  # fmt: skip


def test_each_parameter_fills_its_field() -> None:
    line = event_of(
        MAPPED,
        {"id": "L-1", "st": "sale", "payout": "12.50", "subid": "c-9", "src": "fb", "offer": "5", "x": "y"},
    )
    told = json.loads(line.value)
    assert told.pop("event_id") == line.event_id
    assert told == {
        "flow_id": "F-7", "lead_id": "L-1", "status": "approve", "price": 12.5, "click": {"id": "c-9"},
        "tags": {"utm_source": "fb"}, "meta": {"offer": "5"},
    }  # fmt: skip


def test_the_same_call_has_the_same_event_id_and_any_other_another() -> None:
    call = {"id": "L-1", "st": "sale", "payout": "1"}
    ids = {event_of(MAPPED, {**call, **more}).event_id for more in ({}, {"payout": "2"}, {"goal": "g"})}
    assert len(ids) == 3
    assert event_of(MAPPED, dict(reversed(call.items()))).event_id in ids
    own = Mapped("F-7", {"lead_id": "id", "event_id": "tx"})
    assert event_of(own, {"id": "L-1", "tx": "t-5"}).event_id == "t-5"


@pytest.mark.parametrize(
    ("given_", "occurred_at"),
    [("1764000000", 1_764_000_000_000), ("1764000000123", 1_764_000_000_000), ("2026-11-23T15:00:00Z", None)],
)
def test_a_time_may_be_unix_seconds_or_iso(given_: str, occurred_at: int | None) -> None:
    event = decode(event_of(MAPPED, {"id": "L", "ts": given_}).value)
    assert isinstance(event, LeadEvent)
    assert event.occurred_ms() == (occurred_at or 1_795_446_000_000)


@pytest.mark.parametrize(
    ("call", "parameter", "word"),
    [
        ({"st": "sale"}, "id", "missing"),
        ({"id": " ", "st": "sale"}, "id", "missing"),
        ({"id": "L", "st": "sold"}, "st", "sale, new"),
        ({"id": "L", "payout": "12,5"}, "payout", "12,5"),
        ({"id": "L", "payout": "true"}, "payout", "number"),
        ({"id": "L", "payout": "NaN"}, "payout", "number"),
        ({"id": "L", "payout": "1e999"}, "payout", "number"),
        ({"id": "L", "ts": "yesterday"}, "ts", "time"),
        ({"id": "L\ud800"}, "id", "surrogate"),
    ],
)
def test_what_is_wrong_is_named_by_its_parameter(call: dict[str, str], parameter: str, word: str) -> None:
    with pytest.raises(WrongCall) as raised:
        event_of(MAPPED, call)
    assert str(raised.value).startswith(f"{parameter}: ")
    assert word in str(raised.value)


texts = st.text(max_size=20) | st.sampled_from(
    ["1", "-1.5", "1e5", "sale", "new", "1764000000", "{}", "null"]
)


@given(st.dictionaries(st.sampled_from([*MAPPED.fields.values(), "other"]), texts))
def test_whatever_is_called_makes_a_sound_event_or_is_refused(call: dict[str, str]) -> None:
    try:
        line = event_of(MAPPED, call)
    except WrongCall:
        return
    event = decode(line.value)
    assert isinstance(event, LeadEvent)
    assert (event.event_id, event.lead_id, event.flow_id) == (line.event_id, call["id"], "F-7")


def _file(folder: Path, content: Any) -> Path:
    file = folder / "inbound.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


def test_a_token_is_found_and_no_other(tmp_path: Path) -> None:
    inbound = read_inbound(_file(tmp_path, {TOKEN: {"flow": "F-7", "fields": {"lead_id": "id"}}}))
    assert (inbound.find(TOKEN) or Mapped("", {})).flow == "F-7"
    for other in ("", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper()):
        assert inbound.find(other) is None
    assert read_inbound(None).find(TOKEN) is None


_OK: dict[str, Any] = {"flow": "F-7", "fields": {"lead_id": "id"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[", ()),
        ([], ("object",)),
        ({"short": _OK}, ("entry 1", "5 characters")),
        ({TOKEN: _OK, "a/b" * 9: _OK}, ("entry 2", "link")),
        ({TOKEN: {**_OK, "flows": 1}}, ("flows",)),
        ({TOKEN: {**_OK, "flow": " "}}, ("flow",)),
        ({TOKEN: {"flow": "F-7", "fields": {"status": "s"}}}, ("lead_id",)),
        ({TOKEN: {"flow": "F-7", "fields": {"lead_id": "i", "click_id": "c"}}}, ("click_id", "click.id")),
        ({TOKEN: {"flow": "F-7", "fields": {"lead_id": "i", "status": ""}}}, ("fields.status",)),
        ({TOKEN: {**_OK, "statuses": {"sale": "sold"}}}, ("statuses.sale", "approve")),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_shows_no_token(
    tmp_path: Path, content: Any, words: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsFault) as raised:
        read_inbound(_file(tmp_path, content))
    told = str(raised.value)
    assert told.startswith("POSTBACKS_INBOUND=")
    assert [word for word in words if word not in told] == []
    assert TOKEN not in told
