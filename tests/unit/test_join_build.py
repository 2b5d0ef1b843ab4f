"""What one lead event leads to: requests, rows and the lead after it, the same whenever it is read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows.config import parse
from app.join.build import Effects, Source, Terms, join
from app.leads.lead import Lead, decode_lead, encode_lead
from app.messages.erasure import Erasure
from app.messages.record import LogRecord
from app.messages.request import Request
from app.templates.text import Slot

T0 = 1_795_446_000_000
DAY_MS = 86_400_000
LINK = "https://t.example/?id={id}&s={status}"
FIRST = {"event_id": "e-1", "lead_id": "L", "flow_id": "F", "status": "new"}


def source(event: object, *, offset: int = 7, at_ms: int = T0, key: bytes | None = b"L") -> Source:
    """The record of an event, which is JSON, bytes as they are, or null."""
    value = event if isinstance(event, bytes) or event is None else json.dumps(event).encode()
    return Source("p.lead-events", 3, offset, at_ms, key, value)


def terms(
    *flows: Mapping[str, Any], secrets: Mapping[str, str] | None = None, dry_run: bool = False
) -> Terms:
    """Flows as they would be read from Kafka, and the defaults of the settings."""
    known = {flow["flow_id"]: parse(json.dumps(flow).encode(), version=41) for flow in flows}
    numbers = iter(range(10_000))
    return Terms(
        flow_of=known.get,
        secret=(secrets or {}).get,
        random=lambda: f"random-{next(numbers)}",
        late_s=5.0,
        ttl_ms=90 * DAY_MS,
        worker="w1",
        dry_run=dry_run,
    )


def flow(*postbacks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"flow_id": "F", "postbacks": list(postbacks), **fields}


def postback(template: str = LINK, *, id: str = "p", on: tuple[str, ...] = ("any",), **fields: Any) -> Any:
    return {"id": id, "on": list(on), "template": template, **fields}


def told(known: Terms, *events: Mapping[str, Any], between_ms: int = 1000) -> list[Effects]:
    """The effects of events of one lead, one after another, the lead stored and read in between."""
    stored: bytes | None = None
    effects = []
    for number, event in enumerate(events):
        at_ms = T0 + number * between_ms
        made = join(source(event, offset=number, at_ms=at_ms), _reader(stored), known, at_ms + 5)
        if made.lead is not None:
            stored = encode_lead(made.lead)
        effects.append(made)
    return effects


def _reader(stored: bytes | None) -> Callable[[str], Lead | None]:
    return lambda lead_id: None if stored is None else decode_lead(stored)


def only(records: list[LogRecord]) -> LogRecord:
    [record] = records
    return record


def test_a_request_says_everything_that_the_later_stages_need() -> None:
    event = {
        **FIRST,
        "occurred_at": "2026-11-23T14:59:58.5Z",
        "price": 12.5,
        "currency": "usd",
        "click": {"id": "c-9", "geo": "UA"},
        "tags": {"utm_source": "fb", "subid": 12.0},
    }
    wanted = postback(
        "https://T.example:8443/{id}|JSON|{\"c\":{click},\"t\":\"{secret.fb}\"}",
        headers={"X-Event": "{event}"},
        timeout_s=3,
        retry={"max_attempts": 4, "deadline_s": 60, "waits_s": [2.5, 9]},
        delay_s=20.5,
        verdict=[{"status": "200", "json": "code", "not": 0, "then": "final"}],
        mask=False,
        idempotency_header="Idempotency-Key",
        sign_with="hook",
    )  # fmt: skip
    [effects] = told(terms(flow(wanted), secrets={"fb": "S3CRET"}), event)
    [request] = effects.requests
    assert effects.result == "folded"
    assert effects.records == []
    assert (request.method, request.host, request.link) == (
        "POST",
        "t.example",
        "https://t.example:8443/L",
    )
    assert request.headers == {"Content-Type": "application/json", "X-Event": "new"}
    assert request.body == ['{"c":"c-9","t":"', Slot("fb", "json-string"), '"}']
    assert b"S3CRET" not in msgspec.json.encode(request)
    origin = request.origin
    assert (origin.event_id, origin.lead_id, origin.lead_seq) == ("e-1", "L", 1)
    assert (origin.flow_id, origin.flow_version, origin.lead_flow_id) == ("F", 41, "F")
    assert (origin.postback_id, origin.event) == ("p", "new")
    assert (origin.requested_at, origin.occurred_at) == (T0, 1_795_445_998_500)
    assert (origin.click_id, origin.price, origin.currency, origin.geo) == ("c-9", 12.5, "usd", "UA")
    assert (origin.tags.utm_source, origin.tags.subid, origin.tags.utm_term) == ("fb", "12", None)
    assert request.due_at == T0 + 20_500
    assert (request.attempts, request.replay, request.dry_run) == (0, 0, False)
    delivery = request.delivery
    assert (delivery.timeout_s, delivery.max_attempts, delivery.deadline_s) == (3, 4, 60)
    assert list(delivery.waits_s) == [2.5, 9]
    assert (delivery.mask, delivery.verdict[0].then) == (False, "final")
    assert (delivery.idempotency_header, delivery.sign_with) == ("Idempotency-Key", "hook")


def test_a_request_reads_back_as_it_was_written() -> None:
    wanted = postback("https://t.example/{secret.a}?x={id}|POST|a={status}", headers={"X": "{secret.b|md5}"})
    [effects] = told(terms(flow(wanted)), FIRST)
    [request] = effects.requests
    assert msgspec.json.decode(msgspec.json.encode(request), type=Request) == request


def test_a_global_postbacks_request_names_both_flows() -> None:
    [effects] = told(terms({"flow_id": "*", "postbacks": [postback()]}), FIRST)
    [request] = effects.requests
    assert (request.origin.flow_id, request.origin.lead_flow_id) == ("*", "F")


LATE = {"event_id": "e-2", "lead_id": "L", "status": "hold", "occurred_at": "2026-11-23T14:00:00Z"}

SKIPS = [
    ("silent", [postback()], {}, {"silent": True}),
    ("disabled", [postback()], {"enabled": False}, {}),
    ("disabled", [postback(enabled=False)], {}, {}),
    ("condition: geo", [postback(when={"geo": ["PL"]})], {}, {}),
    ("empty: click", [postback(require=["ip", "click"])], {}, {"click": {"ip": "203.0.113.7"}}),
    ("not on this event", [postback(on=("approve",))], {"log_skips": "all"}, {}),
]


@pytest.mark.parametrize(("reason", "postbacks", "of_flow", "of_event"), SKIPS)
def test_what_is_not_sent_has_a_row_with_the_reason(
    reason: str, postbacks: list[dict[str, Any]], of_flow: dict[str, Any], of_event: dict[str, Any]
) -> None:
    event = {**FIRST, "click": {"id": "", "geo": "UA"}, **of_event}
    [effects] = told(terms(flow(*postbacks, **of_flow)), event)
    row = only(effects.records)
    assert effects.requests == []
    assert (row.outcome, row.reason, row.attempt, row.attempts) == ("skipped", reason, 0, 0)
    assert (row.lead_id, row.event_id, row.flow_id, row.lead_flow_id) == ("L", "e-1", "F", "F")
    assert (row.event, row.requested_at, row.logged_at) == ("new", T0, T0 + 5)
    assert (row.source.partition, row.source.offset, row.source.index) == (3, 0, 0)
    assert (row.source_topic, row.worker) == ("p.lead-events", "w1")
    if reason != "silent":
        assert row.flow_version == 41


def test_a_skip_for_another_event_has_no_row_unless_the_flow_asks() -> None:
    [effects] = told(terms(flow(postback(on=("approve",)))), FIRST)
    assert (effects.requests, effects.records) == ([], [])
    assert effects.lead is not None


def test_an_event_of_an_unknown_flow_has_a_row() -> None:
    [effects] = told(terms(), FIRST)
    row = only(effects.records)
    assert (row.outcome, row.reason, row.flow_id, row.flow_version) == ("skipped", "no flow", "F", -1)


def test_a_late_status_has_a_row_and_sends_nothing() -> None:
    first, late = told(terms(flow(postback())), FIRST, LATE)
    assert len(first.requests) == 1
    assert late.requests == []
    assert (only(late.records).reason, only(late.records).event) == ("late", "hold")
    assert late.lead is not None
    assert late.lead.status == "new"


def test_a_repeated_event_has_no_row_and_does_not_touch_the_lead() -> None:
    _, again = told(terms(flow(postback())), FIRST, FIRST)
    assert (again.result, again.lead, again.requests, again.records) == ("repeat", None, [], [])


@pytest.mark.parametrize(
    ("value", "reason", "lead"),
    [
        (None, "no value: lead events are never deleted by a null", "L"),
        (b"", "not JSON: ", "L"),
        (b"{", "not JSON: ", "L"),
        ({**FIRST, "status": "sold"}, 'status: unknown status "sold"', "L"),
        ({"event_id": "e-1", "lead_id": "M", "status": "new"}, "lead M is unknown", "M"),
    ],
)
def test_a_rejected_event_has_a_row_and_leaves_the_lead_alone(value: Any, reason: str, lead: str) -> None:
    effects = join(source(value), lambda _: None, terms(flow(postback())), T0)
    row = only(effects.records)
    assert effects.rejected is not None
    assert effects.rejected.startswith(reason)
    assert (effects.result, effects.lead, effects.requests) == ("rejected", None, [])
    assert (row.outcome, row.reason, row.lead_id) == ("rejected", effects.rejected, lead)
    assert (row.requested_at, row.source.offset) == (T0, 7)


def test_a_key_that_is_no_text_still_names_the_rejected_lead() -> None:
    effects = join(source(b"{", key=b"\xff\x00L" + b"x" * 1000), lambda _: None, terms(), T0)
    assert only(effects.records).lead_id == "\ufffd\0L" + "x" * 253
    assert only(join(source(b"{", key=None), lambda _: None, terms(), T0).records).lead_id == ""


UNRENDERABLE = [
    ("https://t.example/?c={comment}", {}, "the link has "),
    ("https://t.example/|POST|" + "c={comment}&" * 30, {}, "the body has "),
    ("https://t.example/{name}/x", {}, "a segment of the path comes out as . or .."),
    ("https://t.example/?h={id|hmac:nope}", {}, "secret nope is not set"),
    ("https://t.example/", {"X-Comment": "{comment}" * 8}, "the headers have "),
]


@pytest.mark.parametrize(("template", "headers", "reason"), UNRENDERABLE)
def test_what_cannot_be_rendered_failed_and_is_not_remembered_as_sent(
    template: str, headers: dict[str, str], reason: str
) -> None:
    event = {**FIRST, "customer": {"name": "..", "comment": "x" * 10_000}}
    [effects] = told(terms(flow(postback(template, headers=headers))), event)
    row = only(effects.records)
    assert effects.requests == []
    assert row.outcome == "failed"
    assert row.reason.startswith(f"cannot be rendered: {reason}")
    assert row.request_id
    assert effects.lead is not None
    assert effects.lead.sent == ()


def test_the_same_news_is_not_sent_twice_and_the_row_names_the_first_request() -> None:
    known = terms(flow(postback("https://t.example/?s={status}&t={now}&r={random}&e={event_id}")))
    approve = {"event_id": "e-2", "lead_id": "L", "status": "approve"}
    first, second, third = told(known, FIRST, approve, {**approve, "event_id": "e-3"})
    assert len(first.requests) == len(second.requests) == 1
    assert third.requests == []
    row = only(third.records)
    assert (row.outcome, row.reason) == (
        "skipped",
        f"unchanged: the same as request {second.requests[0].request_id}",
    )
    assert row.request_id not in ("", second.requests[0].request_id)


def test_what_was_sent_before_the_last_is_news_again() -> None:
    known = terms(flow(postback("https://t.example/?s={status}")))
    events = [
        {"event_id": f"e-{n}", "lead_id": "L", "flow_id": "F", "status": status}
        for n, status in enumerate(("hold", "approve", "hold"))
    ]
    assert [len(effects.requests) for effects in told(known, *events)] == [1, 1, 1]


def test_a_postback_that_repeats_always_is_sent_again() -> None:
    known = terms(flow(postback("https://t.example/", repeat="always")))
    again = {**FIRST, "event_id": "e-2"}
    assert [len(effects.requests) for effects in told(known, FIRST, again)] == [1, 1]


def test_a_dry_run_marks_its_request_and_is_not_remembered_as_sent() -> None:
    wanted = flow(postback("https://t.example/?s={status}"))
    [dry] = told(terms(wanted, dry_run=True), FIRST)
    assert [request.dry_run for request in dry.requests] == [True]
    assert dry.lead is not None
    again = source({**FIRST, "event_id": "e-2"})
    sent = join(again, lambda _: dry.lead, terms(wanted), T0)
    assert [request.dry_run for request in sent.requests] == [False]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.0, "12"),
        (True, "true"),
        (1e21, "1" + "0" * 21),
        (-0.0, "0"),
        ("x" * 2000, "x" * 1024),
        (" ", None),
    ],
)
def test_tags_of_a_row_are_the_texts_that_a_macro_prints(value: Any, text: str | None) -> None:
    event = {**FIRST, "tags": {"utm_term": value, "adid": "kept for macros only"}}
    [sent] = told(terms(flow(postback())), event)
    [skipped] = told(terms(), event)
    assert sent.requests[0].origin.tags.utm_term == text
    assert only(skipped.records).tags.utm_term == text


def test_a_late_status_and_the_goal_that_came_with_it_have_rows_of_their_own() -> None:
    known = terms()
    _, late = told(known, FIRST, {**LATE, "goal": "deposit"})
    assert [row.reason for row in late.records] == ["late", "no flow"]
    assert len({row.attempt_id for row in late.records}) == 2


def test_random_is_fresh_for_each_request() -> None:
    link = "https://t.example/?r={random}"
    [effects] = told(terms(flow(postback(link, id="a"), postback(link, id="b"))), FIRST)
    assert [request.link for request in effects.requests] == [
        "https://t.example/?r=random-0",
        "https://t.example/?r=random-1",
    ]


postbacks = st.lists(
    st.builds(
        postback,
        st.sampled_from([LINK, "https://t.example/{name}", "https://t.example/?r={random}", "https://t.example/"]),
        id=st.sampled_from("abcd"),
        on=st.sampled_from([("any",), ("new", "goal"), ("approve",), ("price",), ("goal:1", "hold")]),
        enabled=st.booleans(),
        repeat=st.sampled_from(["on_change", "always"]),
        require=st.sampled_from([[], ["click"]]),
        when=st.sampled_from([{}, {"geo": ["UA"]}]),
    ),
    max_size=4,
    unique_by=lambda made: made["id"],
)  # fmt: skip
flows = st.builds(
    lambda flow_id, made, enabled, log_skips: {
        "flow_id": flow_id, "postbacks": made, "enabled": enabled, "log_skips": log_skips,
    },
    st.sampled_from(["F", "*"]), postbacks, st.booleans(), st.sampled_from(["fired", "all"]),
)  # fmt: skip
events = st.fixed_dictionaries(
    {"event_id": st.sampled_from("123456"), "lead_id": st.just("L"), "flow_id": st.sampled_from(["F", "G"])},
    optional={
        "status": st.sampled_from(["new", "hold", "approve", "nonsense"]),
        "occurred_at": st.sampled_from(["2026-11-23T14:00:00Z", "2026-11-23T15:00:00Z"]),
        "goal": st.sampled_from(["1", "2"]),
        "price": st.sampled_from([1, 2]),
        "silent": st.booleans(),
        "click": st.sampled_from([{"id": "c"}, {"geo": "UA"}, {"id": "c", "geo": "UA"}]),
        "customer": st.sampled_from([{"name": ".."}, {"name": "Ann"}]),
    },
)


def _ids(effects: Effects) -> tuple[list[str], list[str]]:
    return [r.request_id for r in effects.requests], [r.attempt_id for r in effects.records]


@given(st.lists(flows, max_size=2, unique_by=lambda made: made["flow_id"]), st.lists(events, max_size=8))
def test_an_event_handled_twice_leads_to_the_same_ids_and_the_same_lead(
    made: list[dict[str, Any]], told_events: list[dict[str, Any]]
) -> None:
    known, lead = terms(*made), None
    for number, event in enumerate(told_events):
        record = source(event, offset=number, at_ms=T0 + number)
        once, again = (join(record, _same(lead), known, T0 + wait) for wait in (10, 90_000))
        assert _ids(once) == _ids(again)
        assert once.lead == again.lead
        assert once.rejected == again.rejected
        lead = once.lead or lead


@given(st.lists(flows, max_size=2, unique_by=lambda made: made["flow_id"]), st.lists(events, max_size=8))
def test_no_two_rows_or_requests_share_an_identity(
    made: list[dict[str, Any]], told_events: list[dict[str, Any]]
) -> None:
    """By its key a row is stored once: two with the same would be one."""
    rows, requests = [], []
    for effects in told(terms(*made), *told_events):
        rows += [(row.flow_id, row.requested_at, row.request_id, row.attempt_id) for row in effects.records]
        requests += [request.request_id for request in effects.requests]
    assert len(set(rows)) == len(rows)
    assert len(set(requests)) == len(requests)


def _same(lead: Lead | None) -> Callable[[str], Lead | None]:
    return lambda lead_id: lead


def test_an_erased_lead_is_forgotten_without_requests_or_rows_and_begins_anew() -> None:
    erased = told(terms(flow(postback())), FIRST, {"event_id": "e-2", "lead_id": "L", "erase": True})[-1]
    assert (erased.result, erased.lead, erased.requests, erased.records) == ("erased", None, [], [])
    assert erased.erasure == Erasure("L", T0 + 1000)
