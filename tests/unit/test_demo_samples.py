"""The demo's files: flows that a person may read and lint, leads that come to what is written beside them."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from app.demo.arrival import fields_of
from app.demo.receiver import HOWS
from app.demo.samples import events, expected, led_to, write_flows
from app.flows.config import parse
from app.flows.flow import Flow
from app.join.build import Source, Terms, join
from app.leads.lead import Lead
from app.messages.record import LogRecord
from app.messages.request import Request
from app.outbound.wire import put_together

_ADDRESSES = {how: f"127.0.0.{n}:8{n}" for n, how in enumerate(HOWS, 1)}
_NOW_MS = 1_795_446_000_000
_SEEDS = [
    "/v18.0/{param.pixel}/events|POST|access_token=TOKEN&data=[",
    "/api/wm/push.json?id=TOKEN&offer=1&flow=2&name={name}&phone={phone}&ip={ip} &country={geo}&sub1={click}",
    "/postback?code=abc|POST|click={click}&name={name}",
    '/postback|JSON|{"foo":"bar","click":"{click}"}',
]


def _flows(folder: Path) -> dict[str, Flow]:
    write_flows(folder, _ADDRESSES)
    flows = [parse(path.read_bytes(), version=1) for path in folder.glob("*.json")]
    return {flow.flow_id: flow for flow in flows}


def _joined(folder: Path) -> tuple[list[Request], list[LogRecord]]:
    """What JOIN makes of the leads, one after the other."""
    flows = _flows(folder)
    terms = Terms(flows.get, lambda name: None, lambda: "r", 5.0, 90 * 86_400_000, "w")
    leads: dict[str, Lead] = {}
    requests, records = [], []
    for offset, event in enumerate(events()):
        source = Source("lead-events", 0, offset, _NOW_MS + offset, event.lead_id.encode(), event.value)
        effects = join(source, leads.get, terms, _NOW_MS)
        if effects.lead is not None:
            leads[effects.lead.lead_id] = effects.lead
        requests += effects.requests
        records += effects.records
    return requests, records


def test_each_answer_of_the_receiver_is_used_by_a_flow(tmp_path: Path) -> None:
    flows = _flows(tmp_path)
    links = [postback.template for flow in flows.values() for postback in flow.postbacks]
    used = {how for how in HOWS if any(f"{_ADDRESSES[how]}/{how}/" in link for link in links)}
    assert used == set(HOWS)
    for seed in _SEEDS:
        assert any(seed in link for link in links), seed


def test_flows_that_a_demo_wrote_before_are_gone(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    write_flows(tmp_path, _ADDRESSES)
    assert not (tmp_path / "old.json").exists()
    assert len(list(tmp_path.iterdir())) == len(list(files("app.demo").joinpath("flows").iterdir()))


def test_a_link_leads_to_the_receiver_and_its_path_says_how_it_answers() -> None:
    text = led_to('"http://never.receiver/a?b=http://other/"', {"never": "127.0.0.6:99"})
    assert text == '"http://127.0.0.6:99/never/a?b=http://other/"'
    with pytest.raises(KeyError):
        led_to("http://nobody.receiver/", {})


def test_the_leads_make_exactly_the_requests_skips_and_rejections_that_are_expected(tmp_path: Path) -> None:
    requests, records = _joined(tmp_path)
    sent = {one.key for one in expected() if one.outcomes[-1] in ("delivered", "failed")}
    assert sorted((r.origin.lead_id, r.origin.postback_id, r.origin.event) for r in requests) == sorted(sent)
    unsent = {one.key: one for one in expected() if one.key not in sent}
    assert sorted((r.lead_id, r.postback_id, r.event) for r in records) == sorted(unsent)
    for record in records:
        one = unsent[record.lead_id, record.postback_id, record.event]
        assert (record.outcome,) == one.outcomes
        assert one.why in record.reason


def test_a_receiver_reads_out_of_each_request_what_is_expected_to_arrive(tmp_path: Path) -> None:
    wanted = {one.key: one.arrives for one in expected()}
    for request in _joined(tmp_path)[0]:
        wire = put_together(request, lambda name: None, 0)
        kind = dict(wire.headers).get("Content-Type", "")
        fields = fields_of(wire.link.partition("?")[2], kind, wire.body or b"")
        origin = request.origin
        assert wanted[origin.lead_id, origin.postback_id, origin.event].items() <= fields.items()


def test_the_samples_hold_the_dirt_of_the_trade() -> None:
    told = [json.loads(event.value) for event in events()]
    ids = [event["event_id"] for event in told]
    assert len(set(ids)) < len(ids)  # an event that came twice
    assert {outcome for one in expected() for outcome in one.outcomes} == {
        *("delivered", "retrying", "skipped", "failed", "rejected"),
    }


def test_fields_are_read_as_a_receiver_reads_them() -> None:
    form = "application/x-www-form-urlencoded"
    assert fields_of("a=1%202&b=", "", b"") == {"a": "1 2", "b": ""}
    assert fields_of("a=1", form, b'd=[{"e":{"f":"g%26h"}}]') == {"a": "1", "d.0.e.f": "g&h"}
    assert fields_of("", "application/json", '{"n":1.5,"t":"ü","x":null}'.encode()) == {
        **{"n": "1.5", "t": "ü", "x": "null"},
    }
    assert fields_of("", form, b"d=[1") == {"d": "[1"}
    assert fields_of("", "application/json", b"{") == {"": "{"}
