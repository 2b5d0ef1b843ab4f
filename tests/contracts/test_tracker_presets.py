"""Presets of Google Ads, of trackers and of AlterCPA, through all roles, to servers that do as documented."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse import Database
from tests.contracts import altercpa, google_ads, trackers
from tests.contracts.tracker_leads import NETWORK_NEW, NEW, PARAMS, SALE, SECRETS, Vendors, service_account
from tests.contracts.vendor import Answer, Case, Row, exchange
from tests.kafka import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_NONE: Mapping[str, str] = {}
_DOWN = "https://down.example.com/token"
_CANCEL = {"status": "cancel"}
_OK = Row("new", "delivered", "ok"), Row("approve", "delivered", "ok"), Row("cancel", "delivered", "ok")


def _case(preset: str, events: list[Mapping[str, Any]], *rows: Row) -> Case:
    return Case(preset, preset, events, rows, PARAMS.get(preset, {}))


def _google(name: str, verdict: str, why: str, params: Mapping[str, str] = _NONE, secret: str = "") -> Case:
    """An approve that waits for its next turn."""
    secrets = {"google_credential": secret} if secret else {}
    rows = [Row("approve", "retrying", verdict, why)]
    events = [{**NEW, **SALE}]
    return Case("google-ads", f"google-{name}", events, rows, params, secrets, last=verdict == "throttle")


def _again(verdict: str, why: str) -> Row:
    return Row("new", "retrying", verdict, why)


def _refused(
    preset: str, name: str, row: Row, new: Mapping[str, Any], secrets: Mapping[str, str] = _NONE
) -> Case:
    return Case(preset, f"{preset}-{name}", [new], [row], PARAMS.get(preset, {}), secrets)


def _at_click(click: str) -> Mapping[str, Any]:
    return {**NETWORK_NEW, "click": {"id": click}}


CASES = [
    _case("google-ads", [NEW, SALE, _CANCEL], *_OK[:2]),
    _case("keitaro", [NEW, SALE, _CANCEL], *_OK),
    _case("binom", [NEW, SALE, _CANCEL], *_OK),
    _case("voluum", [NEW, SALE, _CANCEL], *_OK[:2]),
    _case("redtrack", [NEW, SALE, _CANCEL], *_OK[:2]),
    _case("altercpa", [NETWORK_NEW, SALE], _OK[0]),
    _case("altercpa-tracker", [NETWORK_NEW, SALE, _CANCEL], *_OK),
    _case("altercpa-pro", [NETWORK_NEW, SALE, _CANCEL], *_OK),
    _google("foreign", "auth", "PERMISSION_DENIED", {"google_account": google_ads.OTHER_ACCOUNT}),
    _google("action", "auth", "status 400, the body matches", {"google_sale": "1"}),
    _google("away", "retry", "UNAVAILABLE", {"google_sale": google_ads.AWAY}),
    _google("busy", "throttle", "RESOURCE_EXHAUSTED", {"google_sale": google_ads.BUSY}),
    _google("key", "auth", "oauth2.googleapis.com: status 400, invalid_grant", secret=service_account("k2")),
    _google("down", "retry", "no access token for secret", secret=service_account(token_uri=_DOWN)),
    _refused("keitaro", "click", Row("new", "failed", "final", "status 200"), _at_click("other")),
    _refused("altercpa", "token", _again("auth", "key"), NETWORK_NEW, {"altercpa_token": "9-none-at-all"}),
    _refused("altercpa-tracker", "click", Row("new", "failed", "final", "error"), _at_click("other")),
    _refused("altercpa-tracker", "broken", _again("retry", "db"), _at_click(altercpa.BROKEN)),
    _refused("altercpa-pro", "bare", _again("retry", "status 200"), _at_click(altercpa.BARE)),
]


async def test_trackers_networks_and_google_take_what_their_presets_send(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    vendors = Vendors()
    by_host = vendors.by_host() | {"down.example.com": lambda _: Answer(503)}
    seen = await exchange(CASES, by_host, SECRETS, kafka, clickhouse, tmp_path)
    google = vendors.google
    assert sorted(google.counted.events) == [("7712337565", "google-ads"), ("7712337566", "google-ads")]
    assert list(google.counted.matched.values()) == [["emailAddress", "phoneNumber"]] * 2
    assert len(google.tokens) == 1  # one secret in several flows, one token
    assert {asked.headers["authorization"] for asked, _ in seen if asked.host.startswith("datam")} == {
        f"Bearer {google.tokens[0]}"
    }
    assert vendors.keitaro.counted[(trackers.CLICK, "keitaro")]["status"] == "rejected"
    assert vendors.binom.counted[(trackers.CLICK,)]["cnv_status"] == "cancel"
    assert sorted(key[1] for key in vendors.voluum.counted) == ["voluum-approve", "voluum-new"]
    assert sorted(key[1] for key in vendors.redtrack.counted) == ["redtrack-approve", "redtrack-new"]
    assert [len(one.leads) for one in (vendors.network, vendors.tracker, vendors.pro)] == [1, 1, 1]
    [statuses] = vendors.tracker.leads.values()
    assert [one["status"] for one in statuses] == ["new", "approve", "cancel"]
