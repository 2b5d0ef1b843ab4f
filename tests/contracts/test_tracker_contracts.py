"""Presets of Google Ads, trackers and AlterCPA, and the servers that stand for them, without Kafka."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts import altercpa, google_ads, trackers
from tests.contracts.checks import sha256
from tests.contracts.offline import Made, judged, made_of
from tests.contracts.tracker_leads import NETWORK_NEW, NEW, PARAMS, SALE, SECRETS, Vendors
from tests.contracts.vendor import Answer

NOW_MS = 1_795_446_000_250
AT = "2026-11-23T15:00:00.250Z"
TOKEN = "ya29.test"
Change = Callable[[dict[str, Any]], Any]


def made(preset: str, *events: Mapping[str, Any], **params: str) -> Made:
    secrets = SECRETS | {"google_credential": TOKEN}
    dated = [{**event, "occurred_at": AT} for event in events]
    return made_of(preset, secrets, NOW_MS, *dated, **PARAMS.get(preset, {}) | params)


def vendors() -> Vendors:
    made = Vendors(lambda: NOW_MS / 1000)
    made.google.tokens.append(TOKEN)
    return made


def answered(told: Made, to: Vendors | None = None) -> list[str]:
    """What the presets take the answers for, in the order of the requests."""
    by_host = (to or vendors()).by_host()
    return [judged(request, by_host[asked.host](asked)).verdict for request, asked in told.requests]


def cancelled(status: str = "cancel") -> dict[str, Any]:
    return {"status": status}


# Google Ads


def test_the_body_for_google_is_as_its_reference_shows() -> None:
    [lead, sale] = made(
        "google-ads", NEW, SALE, google_lead="7712337566", google_consent="CONSENT_GRANTED"
    ).asked
    assert sale.headers["authorization"] == f"Bearer {TOKEN}"
    assert sale.json == {
        "validateOnly": False,
        "encoding": "HEX",
        "destinations": [
            {
                "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "7071902603"},
                "productDestinationId": "7712337565",
            }
        ],
        "events": [
            {
                "transactionId": "L-1",
                "eventTimestamp": "2026-11-23T15:00:00Z",
                "conversionValue": 12.5,
                "currency": "USD",
                "adIdentifiers": {"gclid": "Cj0KCQ-example"},
                "userData": {
                    "userIdentifiers": [
                        {"emailAddress": sha256("cloudysanfrancisco@gmail.com")},
                        {"phoneNumber": sha256("+380501234567")},
                    ]
                },
                "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
            }
        ],
    }
    assert lead.json["destinations"][0]["productDestinationId"] == "7712337566"
    assert "conversionValue" not in lead.json["events"][0]


def test_google_counts_an_approve_once_and_knows_the_person_by_each_hash() -> None:
    to, told = vendors(), made("google-ads", NEW, SALE, {**SALE, "price": 13}, google_lead="7712337566")
    assert answered(told, to) == ["ok"] * 3
    counted = to.google.counted
    assert sorted(counted.events) == [("7712337565", "L-1"), ("7712337566", "L-1")]
    assert counted.repeats == [("7712337565", "L-1")]
    assert list(counted.matched.values()) == [["emailAddress", "phoneNumber"]] * 2


def test_google_gets_a_hash_that_came_as_one_and_a_manager_only_if_there_is_one() -> None:
    hashed = {"email": sha256("cloudysanfrancisco@gmail.com").upper(), "phone": sha256("+380501234567")}
    plain = made("google-ads", NEW, SALE).asked[0]
    known = made("google-ads", {**NEW, "customer": hashed}, SALE, google_login=google_ads.MANAGER).asked[0]
    assert known.json["events"] == plain.json["events"]
    assert known.json["destinations"][0]["loginAccount"] == {
        "accountType": "GOOGLE_ADS",
        "accountId": google_ads.MANAGER,
    }


def test_google_is_not_asked_without_anything_to_match_by() -> None:
    told = made("google-ads", {"status": "new"}, SALE, google_lead="7712337566")
    assert told.requests == []
    assert {reason for _, reason in told.skipped} == {"empty: gclid|gbraid|wbraid|email|phone"}
    assert made("google-ads", NEW).skipped == [("google-ads-lead", "empty: param.google_lead")]


def test_a_request_that_only_validates_counts_nothing() -> None:
    to = vendors()
    [(request, asked)] = made("google-ads", NEW, SALE).requests
    body = asked.body.replace(b'"validateOnly":false', b'"validateOnly":true')
    assert body != asked.body
    assert judged(request, to.google(replace(asked, body=body))).verdict == "ok"
    assert (len(to.google.validated), len(to.google.counted.events)) == (1, 0)


def _event(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["events"][0]
    return found


_WRONG: dict[str, tuple[Change, str]] = {
    "resource name": (
        lambda body: body["destinations"][0].update(productDestinationId="customers/1/conversionActions/2"),
        "final",
    ),
    "unknown action": (lambda body: body["destinations"][0].update(productDestinationId="1"), "auth"),
    "hyphens": (
        lambda body: body["destinations"][0]["operatingAccount"].update(accountId="707-190-2603"),
        "final",
    ),
    "foreign account": (
        lambda body: body["destinations"][0]["operatingAccount"].update(accountId=google_ads.OTHER_ACCOUNT),
        "auth",
    ),
    "busy": (lambda body: body["destinations"][0].update(productDestinationId=google_ads.BUSY), "throttle"),
    "away": (lambda body: body["destinations"][0].update(productDestinationId=google_ads.AWAY), "retry"),
    "seconds": (lambda body: _event(body).update(eventTimestamp=NOW_MS // 1000), "final"),
    "too old": (lambda body: _event(body).update(eventTimestamp="2026-01-01T00:00:00Z"), "final"),
    "micros as text": (lambda body: _event(body).update(conversionValue="12500000"), "final"),
    "currency": (lambda body: _event(body).update(currency="usd"), "final"),
    "plain e-mail": (
        lambda body: _event(body)["userData"].update(userIdentifiers=[{"emailAddress": "a@example.com"}]),
        "final",
    ),
    "hash of upper-case hex": (
        lambda body: _event(body)["userData"].update(userIdentifiers=[{"phoneNumber": "A" * 64}]),
        "final",
    ),
    "two in one": (
        lambda body: _event(body)["userData"].update(
            userIdentifiers=[{"phoneNumber": "a" * 64, "emailAddress": "b" * 64}]
        ),
        "final",
    ),
    "no encoding": (lambda body: body.pop("encoding"), "final"),
    "nobody": (lambda body: (_event(body).pop("userData"), _event(body).pop("adIdentifiers")), "final"),
    "unknown field": (lambda body: _event(body).update(gclid="x"), "final"),
    "empty field": (lambda body: _event(body)["adIdentifiers"].update(gbraid=""), "final"),
    "validateOnly as text": (lambda body: body.update(validateOnly="true"), "final"),
}


@pytest.mark.parametrize("wrong", _WRONG)
def test_google_refuses_what_its_reference_does_not_allow(wrong: str) -> None:
    change, verdict = _WRONG[wrong]
    to = vendors()
    [(request, asked)] = made("google-ads", NEW, SALE).requests
    body = copy.deepcopy(asked.json)
    change(body)
    answer = to.google(replace(asked, body=json.dumps(body).encode()))
    assert answer.status >= 400
    assert judged(request, answer).verdict == verdict
    assert to.google.counted.events == {}


def test_google_refuses_a_token_that_it_did_not_give() -> None:
    to = vendors()
    to.google.tokens.clear()
    assert answered(made("google-ads", NEW, SALE), to) == ["auth"]


# Trackers


def test_keitaro_moves_a_lead_to_a_sale_and_to_rejected_and_not_back() -> None:
    to = vendors()
    told = made("keitaro", NEW, {"status": "hold"}, SALE, cancelled(), {"status": "new", "price": 1})
    assert answered(told, to) == ["ok"] * 4
    assert [asked.query["status"] for asked in told.asked] == ["lead", "sale", "rejected", "lead"]
    assert told.skipped[0][1].startswith("unchanged")
    assert to.keitaro.counted == {
        (trackers.CLICK, "L-1"): {
            "subid": trackers.CLICK,
            "status": "rejected",
            "payout": "12.5",
            "currency": "usd",
            "tid": "L-1",
            "return": "OK",
        }
    }
    assert to.keitaro.thrown == []


@pytest.mark.parametrize("status", ["hold", "approve", "cancel", "trash"])
def test_binom_gets_our_status_and_its_payout(status: str) -> None:
    to, told = vendors(), made("binom", NEW, {**SALE, "status": status})
    assert answered(told, to) == ["ok"] * 2
    assert to.binom.counted[(trackers.CLICK,)] == {
        "cnv_id": trackers.CLICK,
        "payout": "12.5",
        "cnv_status": status,
        "cnv_currency": "usd",
    }


def test_voluum_counts_a_lead_and_its_approve_once_each_however_often_they_come() -> None:
    to, told = vendors(), made("voluum", NEW, SALE, voluum_lead="lead", voluum_sale="purchase")
    assert answered(told, to) + answered(told, to) == ["ok"] * 4
    assert [(key[1], one.get("et"), one.get("payout")) for key, one in to.voluum.counted.items()] == [
        ("L-1-new", "lead", None),
        ("L-1-approve", "purchase", "12.5"),
    ]
    assert (to.voluum.repeats, to.voluum.thrown) == (2, [])
    [alone] = made("voluum", NEW, SALE).asked
    assert set(alone.query) == {"cid", "payout", "currency", "txid"}


def test_redtrack_counts_each_event_id_once() -> None:
    to, told = vendors(), made("redtrack", NEW, SALE)
    assert answered(told, to) + answered(told, to) == ["ok"] * 4
    assert [(key[1], one["type"], one.get("sum")) for key, one in to.redtrack.counted.items()] == [
        ("L-1-new", "Lead", None),
        ("L-1-approve", "Purchase", "12.5"),
    ]
    assert (to.redtrack.repeats, to.redtrack.thrown) == (2, [])


@pytest.mark.parametrize(
    "preset", ["keitaro", "binom", "voluum", "redtrack", "altercpa-tracker", "altercpa-pro"]
)
def test_a_lead_without_its_click_goes_to_no_tracker(preset: str) -> None:
    told = made(preset, {"status": "new"}, SALE)
    assert told.requests == []
    assert "empty: click" in {reason for _, reason in told.skipped}


@pytest.mark.parametrize("preset", ["keitaro", "voluum"])
def test_a_sale_whose_answer_was_lost_is_counted_once_when_it_comes_again(preset: str) -> None:
    to, told = vendors(), made(preset, NEW, SALE)
    at = to.keitaro if preset == "keitaro" else to.voluum
    at.away = 1
    told.requests = told.requests[-1:]
    assert answered(told, to) + answered(told, to) == ["retry", "ok"]
    assert (len(at.counted), at.repeats) == (1, 1)


_OTHER_CLICK = {**NEW, "click": {"id": "other"}}


def test_what_a_tracker_does_not_know_is_thrown_away_and_keitaro_says_so() -> None:
    to = vendors()
    assert answered(made("keitaro", _OTHER_CLICK, SALE), to) == ["final", "final"]
    assert answered(made("binom", _OTHER_CLICK, SALE), to) == ["ok", "ok"]
    assert answered(made("voluum", _OTHER_CLICK, SALE, voluum_sale="Purchase"), to) == ["ok"]
    assert answered(made("redtrack", NEW, SALE, redtrack_lead="lead"), to) == ["ok", "ok"]
    assert to.keitaro.counted == to.binom.counted == to.voluum.counted == {}
    assert [key[1] for key in to.redtrack.counted] == ["L-1-approve"]
    for one in (to.keitaro, to.binom, to.voluum, to.redtrack):
        assert one.thrown


@pytest.mark.parametrize(
    "query",
    [
        {"subid": ""}, {"status": "approve"}, {"payout": "12,5"}, {"currency": "USD"}, {"goal": "x"},
    ],
)  # fmt: skip
def test_keitaro_refuses_what_its_page_does_not_name(query: dict[str, str]) -> None:
    to = vendors()
    [(request, asked)] = made("keitaro", NEW).requests
    answer = to.keitaro(replace(asked, query={**asked.query, **query}))
    assert judged(request, answer).verdict == "final"
    assert judged(request, to.keitaro(replace(asked, path="/wrong/postback"))).verdict == "final"
    assert to.keitaro.counted == {}


# AlterCPA


def test_a_network_gets_the_lead_whole_and_once() -> None:
    to, told = vendors(), made("altercpa", NETWORK_NEW, SALE)
    assert answered(told, to) == ["ok"]
    [[lead]] = to.network.leads.values()
    assert lead == {
        "id": altercpa.TOKEN,
        "offer": "17",
        "flow": "25",
        "name": "Ольга & co",
        "phone": "380501234567",
        "email": "Cloudy.Sanfrancisco+Shopping@GMail.com",
        "ip": "203.0.113.7",
        "ua": "Mozilla/5.0",
        "country": "ua",
        "comment": "a\n&b=c",
        "subid": "L-1",
        "utm_source": "fb & co",
    }
    assert answered(told, to) == ["final"]  # it knows the phone
    assert made("altercpa", {"status": "new"}).skipped == [("altercpa", "empty: phone")]


@pytest.mark.parametrize("preset", ["altercpa-tracker", "altercpa-pro"])
def test_altercpa_follows_a_lead_by_its_id(preset: str) -> None:
    to = vendors()
    told = made(preset, NETWORK_NEW, {"status": "hold"}, SALE, cancelled(), cancelled("trash"))
    assert answered(told, to) == ["ok"] * 5
    at = to.tracker if preset == "altercpa-tracker" else to.pro
    assert list(at.leads) == [(altercpa.CLICK, "L-1")]
    [seen] = at.leads.values()
    assert [one["status"] for one in seen] == ["new", "hold", "approve", "cancel", "trash"]
    if preset == "altercpa-tracker":
        assert (seen[2]["price"], seen[2]["currency"]) == ("12.5", "usd")


@pytest.mark.parametrize(
    ("click", "verdict"), [("other", "final"), (altercpa.BROKEN, "retry"), (altercpa.BARE, "retry")]
)
@pytest.mark.parametrize("preset", ["altercpa-tracker", "altercpa-pro"])
def test_altercpa_says_with_a_200_what_is_wrong(preset: str, click: str, verdict: str) -> None:
    told = made(preset, {**NEW, "click": {"id": click}}, SALE)
    assert answered(told) == [verdict, verdict]


@pytest.mark.parametrize("preset", ["altercpa", "altercpa-tracker", "altercpa-pro"])
def test_altercpa_refuses_another_token_and_a_wrong_path_with_a_200(preset: str) -> None:
    to = vendors()
    request, asked = made(preset, NETWORK_NEW).requests[0]
    vendor = to.by_host()[asked.host]
    for changed, verdict in (
        (replace(asked, query=dict.fromkeys(asked.query, "9-none")), "auth"),
        (replace(asked, path="/api/none.json"), "final"),
        (replace(asked, body=asked.body + b"&zip=1"), "final"),
    ):
        answer = vendor(changed)
        assert answer.status == 200
        assert judged(request, answer).verdict == verdict
    assert judged(request, Answer(502)).verdict == "retry"
