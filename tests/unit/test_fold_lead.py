"""The fold: what an event makes of its lead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.leads import events, lead
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, Erased, Rejected, Repeat, fold, preview_lead
from app.leads.lead import Lead, Sent, decode_lead, encode_lead

T0 = 1_795_446_000_000
DAY_MS = 86_400_000
MINUTE_MS = 60_000


def event(**fields: Any) -> LeadEvent:
    """An event of lead L; times are Unix milliseconds here."""
    if "at" in fields:
        fields["occurred_at"] = f"{msgspec.json.decode(msgspec.json.encode(_moment(fields.pop('at'))))}"
    decoded = decode(msgspec.json.encode({"event_id": "e", "lead_id": "L", **fields}))
    assert isinstance(decoded, LeadEvent), decoded
    return decoded


def _moment(ms: int) -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def folded(lead: Lead | None, told: LeadEvent, timestamp_ms: int = T0) -> Any:
    return fold(lead, told, timestamp_ms=timestamp_ms, late_s=5, ttl_ms=90 * DAY_MS)


def first(**fields: Any) -> Lead:
    change = folded(None, event(event_id="first", flow_id="F", status="new", at=T0, **fields))
    assert isinstance(change, Change)
    return change.lead


def after(lead: Lead, timestamp_ms: int = T0, **fields: Any) -> Change:
    change = folded(lead, event(**fields), timestamp_ms)
    assert isinstance(change, Change), change
    return change


def test_an_approve_that_carries_nothing_keeps_what_new_brought() -> None:
    lead = first(click={"id": "c", "ip": "1.2.3.4"}, tags={"subid": "s"}, customer={"name": "O"}, price=3)
    change = after(lead, status="approve")
    assert change.lead.click == lead.click
    assert (change.lead.tags, change.lead.customer, change.lead.price) == ({"subid": "s"}, lead.customer, 3)
    assert (change.lead.status, change.status, change.lead.seq) == ("approve", "approve", 2)


def test_null_clears_one_field_and_a_null_object_all_of_them() -> None:
    lead = first(click={"id": "c", "ip": "1"}, tags={"a": "1", "b": "2"}, meta={"m": 1}, uid="u", price=1)
    lead = after(lead, event_id="e1", click={"ip": None}, tags={"a": None}, uid=None, price=None).lead
    assert (lead.click.id, lead.click.ip, lead.uid, lead.price) == ("c", None, None, None)
    assert lead.tags == {"a": None, "b": "2"}  # a tag without a value is a tag that the lead has
    lead = after(lead, event_id="e2", click=None, tags=None, meta=None, customer=None).lead
    assert (lead.click.id, lead.tags, lead.meta) == (None, {}, {})


def test_an_event_that_erases_leaves_no_lead_whatever_else_it_carries() -> None:
    lead = first(customer={"name": "O"})
    assert folded(lead, event(event_id="first", erase=True, status="approve"), T0 + 7) == Erased(T0 + 7)
    assert folded(lead, event(erase=True), T0 - 7) == Erased(T0)  # not before the lead's newest event
    assert folded(None, event(erase=True)) == Erased(T0)
    assert isinstance(folded(lead, event(erase=False)), Change)


def test_an_empty_object_changes_nothing() -> None:
    lead = first(click={"id": "c"}, tags={"a": "1"})
    change = after(lead, click={}, tags={}, customer={}, meta={})
    assert (change.lead.click, change.lead.tags) == (lead.click, lead.tags)


def test_an_event_id_among_the_last_64_changes_nothing() -> None:
    lead = first()
    for number in range(63):
        lead = after(lead, event_id=f"e{number}", uid=str(number)).lead
    assert folded(lead, event(event_id="first", status="trash")) == Repeat()
    lead = after(lead, event_id="e63").lead
    assert isinstance(folded(lead, event(event_id="first")), Change)
    assert len(lead.seen) == 64 * 8


def test_a_hash_that_lies_across_two_others_is_no_repeat() -> None:
    lead = first()
    wanted = lead.seen
    straddling = msgspec.structs.replace(lead, seen=b"1234" + wanted + b"5678")
    assert isinstance(folded(straddling, event(event_id="first")), Change)
    twice = msgspec.structs.replace(lead, seen=b"1234" + wanted + b"5678" + wanted)
    assert folded(twice, event(event_id="first")) == Repeat()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "lead L is unknown and the event brings no flow_id and no status"),
        ({"status": "new"}, "lead L is unknown and the event brings no flow_id"),
        ({"flow_id": "F"}, "lead L is unknown and the event brings no status"),
        ({"flow_id": " ", "status": "new"}, "lead L is unknown and the event brings no flow_id"),
        ({"flow_id": "F", "status": None, "goal": "g"}, "lead L is unknown and the event brings no status"),
        ({"silent": True}, "lead L is unknown and the event brings no flow_id and no status"),
    ],
)
def test_an_unknown_lead_needs_a_flow_and_a_status(fields: dict[str, Any], said: str) -> None:
    assert folded(None, event(**fields)) == Rejected(said)


def test_a_lead_expires_after_its_last_event_and_begins_anew() -> None:
    lead = first(click={"id": "c"})
    assert isinstance(folded(lead, event(status="approve"), T0 + 90 * DAY_MS), Change)
    late = T0 + 90 * DAY_MS + 1
    assert folded(lead, event(status="approve"), late) == Rejected(
        "lead L is expired and the event brings no flow_id"
    )
    again = folded(lead, event(event_id="first", flow_id="G", status="hold"), late)
    assert (again.lead.seq, again.lead.click.id, again.lead.flow_id) == (1, None, "G")


def test_any_folded_event_keeps_a_lead_alive_and_an_older_record_does_not_age_it() -> None:
    lead = after(first(), timestamp_ms=T0 + DAY_MS, event_id="e1", uid="u").lead
    assert lead.touched_at == T0 + DAY_MS
    assert after(lead, timestamp_ms=T0, event_id="e2", uid="v").lead.touched_at == T0 + DAY_MS


@pytest.mark.parametrize(
    ("fields", "occurred_at"),
    [
        ({}, T0),
        ({"occurred_at": None}, T0),
        ({"occurred_at": " "}, T0),
        ({"at": T0 - 7}, T0 - 7),
        ({"at": T0 + 5 * MINUTE_MS}, T0 + 5 * MINUTE_MS),
        ({"at": T0 + 5 * MINUTE_MS + 1}, T0),
    ],
)
def test_the_time_is_the_records_when_the_event_has_none_or_is_ahead(
    fields: dict[str, Any], occurred_at: int
) -> None:
    change = folded(None, event(flow_id="F", status="new", **fields))
    assert (change.occurred_at, change.lead.status_at) == (occurred_at, occurred_at)


def test_a_status_just_five_seconds_older_is_not_late() -> None:
    change = after(first(), status="hold", at=T0 - 5000)
    assert (change.late, change.lead.status, change.lead.status_at) == (False, "hold", T0 - 5000)


def test_a_late_event_moves_no_status_and_only_fills_what_is_absent() -> None:
    lead = first(uid="u", click={"id": "c"}, tags={"a": "1", "b": None}, meta={"m": 1}, price=5)
    change = after(
        lead,
        status="hold",
        flow_id="G",
        at=T0 - 5001,
        uid="other",
        currency="usd",
        price=None,
        click={"id": "other", "ip": "1.2.3.4"},
        tags={"a": "2", "b": "3", "c": "4"},
        meta=None,
        customer={"name": "O"},
    )
    lead = change.lead
    assert (change.late, change.status, change.price_changed) == (True, None, False)
    assert (lead.status, lead.status_at, lead.flow_id, lead.seq) == ("new", T0, "F", 2)
    assert (lead.uid, lead.price, lead.currency) == ("u", 5, "usd")
    assert (lead.click.id, lead.click.ip, lead.customer.name) == ("c", "1.2.3.4", "O")
    assert (lead.tags, lead.meta) == ({"a": "1", "b": "3", "c": "4"}, {"m": 1})


def test_lateness_is_told_by_the_event_that_set_the_status_also_to_the_same() -> None:
    lead = after(first(), event_id="e1", status="new", at=T0 + MINUTE_MS).lead
    assert after(lead, event_id="e2", status="hold", at=T0 + 30_000).late
    lead = after(first(), event_id="e1", at=T0 + MINUTE_MS, uid="u").lead
    assert not after(lead, event_id="e2", status="hold", at=T0 + 30_000).late


def test_the_record_s_time_counts_for_an_event_that_claims_the_future() -> None:
    lead = after(first(), status="approve", at=T0 + DAY_MS).lead
    assert lead.status_at == T0


def test_a_goal_is_never_late_and_brings_its_fields_with_it() -> None:
    change = after(first(price=1), goal="dep", price=50, at=T0 - DAY_MS)
    assert (change.late, change.goal, change.lead.goal, change.lead.price) == (False, "dep", "dep", 50)
    both = after(first(price=1), goal="dep", price=50, status="hold", at=T0 - DAY_MS)
    assert (both.late, both.status, both.goal) == (True, None, "dep")
    assert (both.lead.status, both.lead.price, both.lead.goal) == ("new", 1, "dep")


def test_a_late_status_beside_a_goal_moves_no_newer_fact_backwards() -> None:
    lead = after(
        first(price=10, goal="reg"), event_id="e1", status="approve", flow_id="G", at=T0 + 60_000
    ).lead
    both = after(lead, event_id="e2", status="hold", goal="dep", price=5, flow_id="F", uid="u", at=T0)
    assert (both.late, both.goal) == (True, "dep")
    assert (both.lead.flow_id, both.lead.price, both.lead.goal, both.lead.uid) == ("G", 10, "dep", "u")


def test_a_status_is_carried_also_when_the_lead_has_it() -> None:
    assert after(first(), status="wait").status == "new"


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"price": 12}, False),
        ({"price": 12.0, "currency": "usd"}, False),
        ({"price": 13}, True),
        ({"price": None}, True),
        ({"currency": "eur"}, True),
        ({"currency": ""}, True),
        ({"price": 13, "status": "hold"}, False),
        ({"price": 13, "goal": "g"}, False),
        ({"price": 13, "goal": ""}, True),
        ({"uid": "u"}, False),
    ],
)
def test_a_price_change_is_a_change_of_price_or_currency_by_itself(
    fields: dict[str, Any], changed: bool
) -> None:
    assert after(first(price=12, currency="usd"), **fields).price_changed is changed


def test_an_event_moves_to_the_new_flow_with_its_lead() -> None:
    assert after(first(), flow_id="G", status="hold").lead.flow_id == "G"
    assert after(first(), flow_id=None, status="hold").lead.flow_id == "F"


def test_silent_folds() -> None:
    change = after(first(), status="approve", silent=True)
    assert (change.silent, change.lead.status, change.lead.seq) == (True, "approve", 2)


def test_a_lead_that_would_outgrow_its_changelog_is_rejected() -> None:
    lead: Any = first()
    for number in range(10):
        change = folded(lead, event(event_id=f"e{number}", meta={f"m{number}": "x" * 250_000}))
        if isinstance(change, Rejected):
            assert "over the limit of 524288" in change.reason
            assert len(encode_lead(lead)) < 524_288
            return
        lead = change.lead
    pytest.fail("the lead grew without end")


def test_a_lead_comes_back_from_the_table_as_it_was() -> None:
    lead = first(price=-0.0, tags={"a": 2**64 - 1, "b": True, "c": None, "d": 0.1}, meta={"m": -(2**63)})
    lead = msgspec.structs.replace(lead, sent=(Sent("F", "fb", b"\x00\xff", "r1"),))
    assert decode_lead(encode_lead(lead)) == lead
    assert repr(decode_lead(encode_lead(lead))) == repr(lead)


def test_folding_leaves_the_lead_before_as_it_was() -> None:
    lead = first(tags={"a": "1"}, meta={"m": 1})
    kept = encode_lead(lead)
    after(lead, tags={"a": "2"}, meta={"m": 2}, click={"id": "c"})
    assert encode_lead(lead) == kept


def test_a_preview_s_lead_needs_nothing() -> None:
    told = decode(b'{"click":{"id":"c"},"goal":"g"}', need_ids=False)
    assert isinstance(told, LeadEvent)
    lead = preview_lead(told)
    assert (lead.lead_id, lead.flow_id, lead.status, lead.goal, lead.click.id) == ("", "", "", "g", "c")


def test_an_event_tells_the_fields_of_a_lead_s_parts_in_their_order() -> None:
    assert events.Click.__struct_fields__ == lead.Click.__struct_fields__
    assert events.Customer.__struct_fields__ == lead.Customer.__struct_fields__


def fbc(lead: Lead) -> Any:
    return lead.tags.get("fbc")


def test_an_fbclid_makes_the_fbc_that_meta_asks_for_and_keeps_it() -> None:
    lead = first(tags={"fbclid": "IwAR0-x"})
    assert fbc(lead) == f"fb.1.{T0}.IwAR0-x"
    assert fbc(after(lead, at=T0 + 9_000, status="approve", tags={"subid": "s"}).lead) == fbc(lead)
    assert fbc(after(lead, at=T0 + 9_000, tags={"fbclid": "IwAR0-x"}).lead) == fbc(lead)


def test_an_fbc_that_was_told_stays_and_one_that_was_made_follows_a_newer_fbclid() -> None:
    cookie = first(tags={"fbclid": "old", "fbc": "fb.1.5.old"})
    assert fbc(cookie) == "fb.1.5.old"
    made = first(tags={"fbclid": "old"})
    later = T0 + 9_000
    assert fbc(after(made, at=later, tags={"fbclid": "new"}).lead) == f"fb.1.{later}.new"
    assert fbc(after(made, at=later, tags={"fbclid": "new", "fbc": "fb.1.7.old"}).lead) == "fb.1.7.old"
    assert fbc(after(made, at=later, tags={"fbc": "fb.1.7.c"}).lead) == "fb.1.7.c"


@pytest.mark.parametrize("fbclid", [None, "", " ", 5, True])
def test_without_an_fbclid_there_is_no_fbc(fbclid: Any) -> None:
    assert fbc(first(tags={"fbclid": fbclid})) is None


def test_a_preview_makes_an_fbc_of_an_event_that_says_when_it_happened() -> None:
    assert fbc(preview_lead(event(tags={"fbclid": "x"}, at=T0))) == f"fb.1.{T0}.x"
    assert fbc(preview_lead(event(tags={"fbclid": "x"}))) is None
