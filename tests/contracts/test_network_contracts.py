"""Presets of networks, and the servers that stand for them: what is right counts, what is not does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.presets.catalogue import presets
from tests.contracts import google_analytics, meta, snap, tiktok
from tests.contracts.checks import sha256
from tests.contracts.network_leads import BARE, NETWORKS, NEW, SALE, SECRETS, counted, vendors
from tests.contracts.offline import Made, config_of, judged, made_by, made_of
from tests.contracts.vendor import Answer, Asked

NOW_MS = 1_795_446_000_250
Change = Callable[[dict[str, Any]], Any]


def made(network: str, *events: dict[str, Any], **params: str) -> Made:
    return made_of(network, SECRETS, NOW_MS, *events, **params)


def mistaken(network: str, right: str, wrong: str) -> Made:
    """What the preset would make of a lead if its templates said something else."""
    config = config_of(network)
    assert right in config
    return made_by(config.replace(right, wrong), SECRETS, NOW_MS, NEW)


def vendor_of(network: str) -> Any:
    return vendors(lambda: NOW_MS / 1000)[network]


def changed(asked: Asked, change: Change) -> Asked:
    """A request with another body."""
    body = copy.deepcopy(asked.json)
    change(body)
    return replace(asked, body=json.dumps(body).encode())


@pytest.mark.parametrize("network", NETWORKS)
def test_a_lead_and_its_sale_count_once_each_however_often_they_come(network: str) -> None:
    vendor, told = vendor_of(network), made(network, NEW, SALE)
    assert (len(told.requests), told.skipped) == (2, [])
    for request, asked in told.requests:
        assert judged(request, vendor(asked)).verdict == "ok"
    assert counted(vendor) == 2
    for request, asked in told.requests:
        assert judged(request, vendor(asked)).verdict == "ok"
    again = 1 if network == "ga4" else 0  # generate_lead has no key
    assert counted(vendor) == 2 + again


@pytest.mark.parametrize("network", ["meta-capi", "snap-capi", "tiktok-events"])
def test_a_network_knows_the_person_by_each_hash(network: str) -> None:
    vendor = vendor_of(network)
    for asked in made(network, NEW, SALE).asked:
        vendor(asked)
    told = {
        "meta-capi": ["em", "ph", "fn", "ln", "country"],
        "snap-capi": ["em", "ph", "fn", "ln", "country"],
        "tiktok-events": ["email", "phone"],
    }
    assert list(vendor.counted.matched.values()) == [told[network]] * 2


@pytest.mark.parametrize("network", ["meta-capi", "snap-capi", "tiktok-events"])
def test_what_is_hashed_already_is_not_hashed_again(network: str) -> None:
    plus = "+" if network == "tiktok-events" else ""
    hashed = {"email": sha256("olha@example.com").upper(), "phone": f" {sha256(plus + '380501234567')}"}
    [plain], [known] = made(network, NEW).asked, made(network, {**NEW, "customer": hashed}).asked
    assert known.json == plain.json


def test_the_body_for_meta_is_as_its_page_shows() -> None:
    [lead] = made("meta-capi", {**NEW, "occurred_at": "2026-11-23T15:00:00.250Z"}, test_code="TEST1").asked
    assert (lead.query, lead.path) == ({"access_token": meta.TOKEN}, "/v26.0/1234567890123456/events")
    assert lead.json == {
        "data": [
            {
                "event_name": "Lead",
                "event_time": 1795446000,
                "event_id": "L-1-new",
                "action_source": "website",
                "event_source_url": "https://land.example/",
                "user_data": {
                    "em": [sha256("olha@example.com")],
                    "ph": [sha256("380501234567")],
                    "fn": [sha256("olha")],
                    "ln": [sha256("ko")],
                    "country": [sha256("ua")],
                    "external_id": [sha256("L-1")],
                    "client_ip_address": "203.0.113.7",
                    "client_user_agent": "Mozilla/5.0 (X11; Linux)",
                    "fbc": "fb.1.1795446000250.IwAR0-x",
                    "fbp": "fb.1.1764000000000.1098115397",
                },
            }
        ],
        "test_event_code": "TEST1",
    }


def test_the_sale_says_what_it_is_worth() -> None:
    def sale(network: str) -> Any:
        return made(network, NEW, SALE).asked[1]

    assert sale("meta-capi").json["data"][0]["custom_data"] == {
        "currency": "USD",
        "value": 12.5,
        "order_id": "L-1",
    }
    assert sale("tiktok-events").json["data"][0]["properties"]["value"] == 12.5
    assert sale("snap-capi").json["data"][0]["custom_data"]["value"] == "12.5"
    assert sale("ga4").json["events"][0]["params"] == {
        "session_id": "1764000000",
        "engagement_time_msec": 1,
        "transaction_id": "L-1",
        "currency": "USD",
        "value": 12.5,
        "items": [{"item_id": "F-7", "item_name": "F-7", "price": 12.5, "quantity": 1}],
    }
    assert sale("ga4").json["timestamp_micros"] == NOW_MS * 1000
    assert sale("taboola").query == {
        "click-id": vendor_click(),
        "name": "make_purchase",
        "revenue": "12.5",
        "currency": "USD",
        "orderid": "L-1",
    }


def vendor_click() -> str:
    click: str = NEW["tags"]["tblci"]
    return click


@pytest.mark.parametrize(
    ("network", "skipped"),
    [
        ("meta-capi", [("meta-capi-purchase", "empty: price")]),
        ("tiktok-events", [("tiktok-events-purchase", "empty: price")]),
        (
            "snap-capi",
            [("snap-capi-sign-up", "empty: email|phone|ip"), ("snap-capi-purchase", "empty: price")],
        ),
        ("ga4", [("ga4-lead", "empty: tag.ga_client_id"), ("ga4-purchase", "empty: tag.ga_client_id")]),
        ("taboola", [("taboola-lead", "empty: tag.tblci"), ("taboola-purchase", "empty: tag.tblci")]),
    ],
)
def test_a_lead_of_which_nothing_is_known_is_valid_or_skipped_with_what_it_lacks(
    network: str, skipped: list[tuple[str, str]]
) -> None:
    vendor, told = vendor_of(network), made(network, BARE, {"status": "approve"})
    assert told.skipped == skipped
    for request, asked in told.requests:
        assert judged(request, vendor(asked)).verdict == "ok"
    assert counted(vendor) == 2 - len(skipped)


_EVERY = ("email", "phone", "name", "ip", "ua", "url", "referer", "geo", "fbclid", "fbp", "ttclid", "ScCid")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("lacks", [*_EVERY, "price", "currency", "first_name"])
def test_whatever_one_thing_a_lead_lacks_what_is_sent_of_it_counts(network: str, lacks: str) -> None:
    new, sale = copy.deepcopy(NEW), {**SALE}
    for part in (*(new[name] for name in ("click", "tags", "customer", "meta")), sale):
        part.pop(lacks, None)
    vendor, told = vendor_of(network), made(network, new, sale)
    for request, asked in told.requests:
        assert judged(request, vendor(asked)).verdict == "ok"
    assert counted(vendor) == len(told.requests)
    assert len(told.requests) + len(told.skipped) == 2


def _event(body: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = body["data"][0]
    return event


_OF_THREE: dict[str, Change] = {
    "milliseconds": lambda body: _event(body).update(event_time=NOW_MS),
    "a time as text": lambda body: _event(body).update(event_time=str(NOW_MS // 1000)),
    "no time": lambda body: _event(body).pop("event_time"),
    "no id": lambda body: _event(body).pop("event_id"),
    "an empty id": lambda body: _event(body).update(event_id=""),
    "no event": lambda body: body.update(data=[]),
    "a null": lambda body: _event(body).update(event_id=None),
}


def _user(name: str, value: Any) -> Change:
    return lambda body: (_event(body).get("user_data") or _event(body)["user"]).update({name: value})


def _worth(name: str, value: Any) -> Change:
    return lambda body: (_event(body).get("custom_data") or _event(body)["properties"]).update({name: value})


_OF_ONE: dict[str, dict[str, Change]] = {
    "meta-capi": {
        "8 days old": lambda body: _event(body).update(event_time=NOW_MS // 1000 - 8 * 86_400),
        "a raw e-mail": _user("em", ["olha@example.com"]),
        "a raw phone": _user("ph", ["380501234567"]),
        "a hash in capitals": _user("em", [sha256("olha@example.com").upper()]),
        "an MD5": _user("em", ["0" * 32]),
        "an empty hash": _user("em", [""]),
        "a raw country": _user("country", ["ua"]),
        "a hashed address": _user("client_ip_address", sha256("203.0.113.7")),
        "a bare fbclid": _user("fbc", "IwAR0-x"),
        "an fbc in seconds": _user("fbc", "fb.1.1764000000.IwAR0-x"),
        "a TikTok field": _user("ttclid", "x"),
        "no user agent": lambda body: _event(body)["user_data"].pop("client_user_agent"),
        "no page": lambda body: _event(body).pop("event_source_url"),
        "no source": lambda body: _event(body).pop("action_source"),
        "nobody": lambda body: _event(body).update(user_data={}),
        "a price as text": _worth("value", "12.5"),
        "no currency": lambda body: _event(body)["custom_data"].pop("currency"),
        "a currency in small letters": _worth("currency", "usd"),
    },
    "tiktok-events": {
        "8 days old": lambda body: _event(body).update(event_time=NOW_MS // 1000 - 8 * 86_400),
        "a raw e-mail": _user("email", "olha@example.com"),
        "a raw phone": _user("phone", "+380501234567"),
        "a hashed address": _user("ip", sha256("203.0.113.7")),
        "no source": lambda body: body.pop("event_source"),
        "another's pixel": lambda body: body.update(event_source_id="CNOBODY00"),
        "a Meta field": _user("em", sha256("x")),
        "a price as text": _worth("value", "12.5"),
        "no currency": lambda body: _event(body)["properties"].pop("currency"),
    },
    "snap-capi": {
        "38 days old": lambda body: _event(body).update(event_time=NOW_MS // 1000 - 38 * 86_400),
        "a raw e-mail": _user("em", ["olha@example.com"]),
        "a raw phone": _user("ph", ["380501234567"]),
        "an unknown event": lambda body: _event(body).update(event_name="LEAD"),
        "no source": lambda body: _event(body).pop("action_source"),
        "nobody": lambda body: _event(body).update(user_data={"external_id": [sha256("L-1")]}),
        "no currency": lambda body: _event(body)["custom_data"].pop("currency"),
        "no price": lambda body: _event(body)["custom_data"].pop("value"),
    },
}
_REFUSED = [
    pytest.param(network, change, id=f"{network}: {name}")
    for network, own in _OF_ONE.items()
    for name, change in (_OF_THREE | own).items()
]


@pytest.mark.parametrize(("network", "change"), _REFUSED)
def test_a_network_refuses_a_sale_with_one_thing_wrong_and_it_is_not_tried_again(
    network: str, change: Change
) -> None:
    vendor, (_, (request, sale)) = vendor_of(network), made(network, NEW, SALE).requests
    expected = "auth" if change is _OF_ONE["tiktok-events"]["another's pixel"] else "final"
    assert judged(request, vendor(changed(sale, change))).verdict == expected
    assert counted(vendor) == 0


@pytest.mark.parametrize(
    ("network", "right", "wrong"),
    [
        ("meta-capi", "{time}", "{time|ms}"),
        ("meta-capi", "{email|prehashed|trim|lower|sha256}", "{email|trim|lower}"),
        ("meta-capi", "{phone|prehashed|e164|sha256}", "{phone|e164}"),
        ("meta-capi", "{geo|trim|lower|sha256}", "{geo|lower}"),
        ("meta-capi", "{id|sha256}", "{id}"),
        ("meta-capi", "{fbc}", "{fbclid}"),
        ("meta-capi", "{id}-{event}", "{tag.nothing}"),
        ("meta-capi", "v26.0", "v19.0"),
        ("tiktok-events", "{time}", "{time|ms}"),
        ("tiktok-events", "{email|prehashed|trim|lower|sha256}", "{email}"),
        ("tiktok-events", "Access-Token", "Authorization"),
        ("snap-capi", "{time}", "{time|ms}"),
        ("snap-capi", "{phone|prehashed|e164|sha256}", "{phone|digits}"),
        ("snap-capi", "SIGN_UP", "Lead"),
        ("ga4", "{time|ms|mul:1000}", "{time|ms}"),
        ("ga4", "{tag.ga_client_id|trim}", "{tag.nothing}"),
        ("taboola", "click-id", "click_id"),
        ("taboola", "{tag.tblci|trim}", "{tag.tblci|lower}"),
    ],
)
def test_a_mistake_in_a_preset_would_be_noticed(network: str, right: str, wrong: str) -> None:
    vendor = vendor_of(network)
    [(request, asked)] = mistaken(network, right, wrong).requests
    judgement = judged(request, vendor(asked))
    assert counted(vendor) == 0, asked.body
    assert judgement.verdict in ("final", "auth") or network in ("ga4", "taboola")


@pytest.mark.parametrize(
    ("network", "right", "wrong", "field"),
    [
        ("meta-capi", "{phone|prehashed|e164|sha256}", "{phone|prehashed|e164|prepend:+|sha256}", "ph"),
        ("meta-capi", "{phone|prehashed|e164|sha256}", "{phone|prehashed|digits|sha256}", "ph"),
        ("meta-capi", "{email|prehashed|trim|lower|sha256}", "{email|prehashed|trim|sha256}", "em"),
        ("meta-capi", "{email|prehashed|trim|lower|sha256}", "{email|trim|lower|sha256|sha256}", "em"),
        ("meta-capi", "{geo|trim|lower|sha256}", "{geo|sha256}", "country"),
        ("tiktok-events", "|e164|prepend:+|sha256}", "|e164|sha256}", "phone"),
        ("snap-capi", "{phone|prehashed|e164|sha256}", "{phone|prehashed|e164|prepend:+|sha256}", "ph"),
    ],
)
def test_a_hash_of_what_is_not_normalised_finds_nobody(
    network: str, right: str, wrong: str, field: str
) -> None:
    vendor = vendor_of(network)
    for written in (right, wrong):
        [asked] = mistaken(network, right, written).asked
        vendor.counted.matched.clear()
        vendor.counted.events.clear()
        assert vendor(asked).status == 200
        [matched] = vendor.counted.matched.values()
        assert (field in matched) is (written == right)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_postbacks_of_a_network_read_its_answers_alike(network: str) -> None:
    lead, sale = presets()[network].postbacks
    for key in ("verdict", "retry", "omit_empty", "headers"):
        assert lead.get(key) == sale.get(key)


def test_google_analytics_may_be_told_to_process_in_the_eu() -> None:
    [asked] = made("ga4", NEW, host="region1.google-analytics.com").asked
    assert asked.host == "region1.google-analytics.com"
    assert made("ga4", NEW).asked[0].host == "www.google-analytics.com"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("milliseconds", lambda body: body.update(timestamp_micros=NOW_MS)),
        ("seconds", lambda body: body.update(timestamp_micros=NOW_MS // 1000)),
        ("73 hours old", lambda body: body.update(timestamp_micros=NOW_MS * 1000 - 73 * 3600 * 10**6)),
        ("no client", lambda body: body.pop("client_id")),
        ("no event", lambda body: body.update(events=[])),
        ("a bad name", lambda body: body["events"][0].update(name="_bad")),
        ("a list", lambda body: body["events"][0]["params"].update(value=[1])),
        ("no currency", lambda body: body["events"][0]["params"].pop("currency")),
        ("a long text", lambda body: body["events"][0]["params"].update(transaction_id="x" * 101)),
        ("a small consent", lambda body: body.update(consent={"ad_user_data": "granted"})),
        ("a raw e-mail", lambda body: body.update(email="olha@example.com")),
    ],
)
def test_google_analytics_answers_204_to_what_it_throws_away_and_says_why_at_debug(
    name: str, change: Change
) -> None:
    vendor, (_, (request, sale)) = vendor_of("ga4"), made("ga4", NEW, SALE).requests
    wrong = changed(sale, change)
    assert judged(request, vendor(wrong)).verdict == "ok"
    assert (counted(vendor), len(vendor.thrown)) == (0, 1)
    told = judged(request, vendor(replace(wrong, path="/debug/mp/collect")))
    assert told.verdict == "final"
    assert "validationMessages[0].description is" in told.reason
    assert judged(request, vendor(replace(sale, path="/debug/mp/collect"))).verdict == "ok"
    assert counted(vendor) == 0


@pytest.mark.parametrize("name", ["click-id", "name"])
def test_taboola_records_no_conversion_without_click_or_name(name: str) -> None:
    vendor, (_, (request, sale)) = vendor_of("taboola"), made("taboola", NEW, SALE).requests
    for wrong in ({**sale.query, name: "X"}, {k: v for k, v in sale.query.items() if k != name}):
        assert judged(request, vendor(replace(sale, query=wrong))).verdict == "ok"
    assert (counted(vendor), len(vendor.thrown)) == (0, 2)


@pytest.mark.parametrize(
    ("network", "secret", "verdict"),
    [
        ("meta-capi", "meta_token", "auth"),
        ("tiktok-events", "tiktok_token", "auth"),
        ("snap-capi", "snap_token", "auth"),
        ("ga4", "ga4_secret", "ok"),
    ],
)
def test_a_wrong_token_is_told_from_a_wrong_event_where_the_network_tells(
    network: str, secret: str, verdict: str
) -> None:
    vendor = vendor_of(network)
    [(request, asked)] = made_of(network, {**SECRETS, secret: "revoked"}, NOW_MS, NEW).requests
    assert judged(request, vendor(asked)).verdict == verdict
    assert counted(vendor) == 0


def _meta(status: int, **error: Any) -> Answer:
    return Answer(status, {"error": {"message": "m", "type": "OAuthException", **error}})


@pytest.mark.parametrize(
    ("network", "answer", "verdict"),
    [
        ("meta-capi", Answer(200, {"events_received": 0, "messages": []}), "final"),
        ("meta-capi", _meta(400, code=102), "auth"),
        ("meta-capi", _meta(400, code=100, error_subcode=33), "auth"),
        ("meta-capi", _meta(400, code=100), "auth"),
        ("meta-capi", _meta(403, code=10), "auth"),
        ("meta-capi", _meta(403, code=200), "auth"),
        ("meta-capi", _meta(403, code=294), "auth"),
        ("meta-capi", _meta(400, code=100, error_subcode=2804003), "final"),
        ("meta-capi", _meta(400, code=2635), "final"),
        ("meta-capi", _meta(403, code=4, is_transient=True), "throttle"),
        ("meta-capi", _meta(400, code=613), "throttle"),
        ("meta-capi", _meta(400, code=2), "retry"),
        ("meta-capi", _meta(400, code=368, is_transient=True), "retry"),
        ("meta-capi", Answer(503, "<html>"), "retry"),
        ("tiktok-events", Answer(200, {"code": 40002, "message": "m"}), "final"),
        ("tiktok-events", Answer(200, {"code": 40102, "message": "m"}), "auth"),
        ("tiktok-events", Answer(200, {"code": 40100, "message": "m"}), "throttle"),
        ("tiktok-events", Answer(200, {"code": 50002, "message": "m"}), "retry"),
        ("tiktok-events", Answer(200, {"code": 20001, "message": "m"}), "final"),
        ("tiktok-events", Answer(200, "<html>"), "retry"),
        ("tiktok-events", Answer(502, "<html>"), "retry"),
        ("snap-capi", Answer(200, {"status": "INVALID", "reason": "m"}), "final"),
        ("snap-capi", Answer(200, ""), "retry"),
        ("snap-capi", Answer(400, {"status": "INVALID"}), "final"),
        ("snap-capi", Answer(403, ""), "auth"),
        ("snap-capi", Answer(429, ""), "throttle"),
        ("ga4", Answer(503, ""), "retry"),
        ("taboola", Answer(302, ""), "final"),
    ],
)
def test_an_answer_means_what_its_network_means_by_it(network: str, answer: Answer, verdict: str) -> None:
    [(request, _)] = made(network, NEW).requests
    assert judged(request, answer).verdict == verdict


@pytest.mark.parametrize(
    ("network", "days"),
    [("meta-capi", 7), ("tiktok-events", 7), ("snap-capi", 37), ("ga4", 3), ("taboola", 30)],
)
def test_nothing_is_tried_after_the_day_from_which_the_network_takes_it_no_more(
    network: str, days: int
) -> None:
    oldest = {"meta-capi": meta.OLDEST_S, "tiktok-events": tiktok.OLDEST_S, "snap-capi": snap.OLDEST_S}
    for request, _ in made(network, NEW, SALE).requests:
        assert request.delivery.deadline_s == days * 86_400
        assert request.delivery.max_attempts == 24  # the day ends it, not the count: over a week of waits
        assert request.delivery.deadline_s == oldest.get(network, days * 86_400)
    assert google_analytics.OLDEST_S == 3 * 86_400


@pytest.mark.parametrize("network", NETWORKS)
def test_the_id_of_an_event_is_the_same_for_the_same_status_and_another_for_another(network: str) -> None:
    first = made(network, NEW, SALE, {**SALE, "status": "hold"}, {**SALE, "price": 20})
    assert len(first.requests) == 3

    def key(asked: Asked) -> Any:
        if network == "taboola":
            return asked.query["name"], asked.query["orderid"]
        if network == "ga4":
            return asked.json["events"][0]["params"].get("transaction_id")
        return _event(asked.json)["event_id"]

    new, sale, dearer = map(key, first.asked)
    assert new != sale == dearer
