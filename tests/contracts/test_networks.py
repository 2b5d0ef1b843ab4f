"""The presets of the ad networks, through all roles, to servers that do as the networks document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse import Database
from tests.contracts import meta, snap, tiktok
from tests.contracts.network_leads import BARE, NEW, SALE, SECRETS, vendors
from tests.contracts.vendor import Case, Row, ago, exchange
from tests.kafka import Kafka
from tests.workers import Installation, WorkerProcess, lead_events, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

HOSTS = {
    "meta-capi": "graph.facebook.com",
    "tiktok-events": "business-api.tiktok.com",
    "snap-capi": "tr.snapchat.com",
    "ga4": "www.google-analytics.com",
    "taboola": "trc.taboola.com",
}
DAY_S = 86_400
WITH_TOKEN = {"meta-capi": "meta_token", "tiktok-events": "tiktok_token", "snap-capi": "snap_token"}
BUSY = {"meta-capi": meta.BUSY, "tiktok-events": tiktok.BUSY, "snap-capi": snap.BUSY}
FORGETFUL = {"meta-capi": meta.FORGETFUL, "tiktok-events": tiktok.FORGETFUL, "snap-capi": snap.FORGETFUL}
OLDEST_DAYS = {"meta-capi": 7, "tiktok-events": 7, "snap-capi": 37, "ga4": 3, "taboola": 30}
_OK = [Row("new", "delivered", "ok"), Row("approve", "delivered", "ok")]
_NO_ADDRESS = {**NEW, "click": {**NEW["click"], "ip": "nonsense"}}


def _bare(*reasons: str) -> list[Row]:
    events = ("new", "approve")
    return [
        Row(event, "skipped", "", f"empty: {reason}") if reason else Row(event, "delivered", "ok")
        for event, reason in zip(events, reasons, strict=True)
    ]


_BARE_ROWS = {
    "meta-capi": _bare("", "price"),
    "tiktok-events": _bare("", "price"),
    "snap-capi": _bare("email|phone|ip", "price"),
    "ga4": _bare("tag.ga_client_id", "tag.ga_client_id"),
    "taboola": _bare("tag.tblci", "tag.tblci"),
}
_WHY_REFUSED = {
    "meta-capi": "error.code is 100",
    "tiktok-events": "code is 40002",
    "snap-capi": 'status is "INVALID"',
}
_WHY_LOST = {"meta-capi": "is_transient is true", "tiktok-events": "40700", "snap-capi": "status 503"}


def cases() -> list[Case]:
    """Each network's: a good lead, a bare one, one that is too old; with a token three more, two to come."""
    told = []
    for network in HOSTS:
        old = {**NEW, "occurred_at": ago(OLDEST_DAYS[network] * DAY_S + 60)}
        told += [
            Case(network, network, [NEW, SALE], _OK),
            Case(network, f"{network}-bare", [BARE, {"status": "approve"}], _BARE_ROWS[network]),
            Case(network, f"{network}-old", [old], [Row("new", "failed", "", "past the deadline")]),
        ]
    for network, secret in WITH_TOKEN.items():
        refused = Row("new", "failed", "final", _WHY_REFUSED[network])
        lost = Row("new", "retrying", "retry", _WHY_LOST[network])
        told += [
            Case(network, f"{network}-wrong", [_NO_ADDRESS], [refused]),
            Case(network, f"{network}-lost", [NEW], [lost], params={"pixel": FORGETFUL[network]}),
            Case(network, f"{network}-token", [], [], secrets={secret: f"wr0ng-{network}-t0ken"}),
            Case(network, f"{network}-busy", [], [], params={"pixel": BUSY[network]}),
        ]
    return told


async def test_networks_count_what_their_presets_send_once(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    known = vendors()

    async def then(made: Installation, worker: WorkerProcess) -> None:
        await _what_was_lost_came_again(made, worker)
        await _a_wrong_token_parks(made, worker)
        await _who_is_busy_is_left_alone(made, worker)

    by_host = {host: known[network] for network, host in HOSTS.items()}
    await exchange(cases(), by_host, SECRETS, kafka, clickhouse, tmp_path, then)

    for network in ("meta-capi", "tiktok-events", "snap-capi"):
        counted = known[network].counted
        ids = {key if isinstance(key, str) else key[1] for key in counted.events}
        bare = {f"{network}-bare-new"} if network != "snap-capi" else set()
        assert ids == {f"{network}-new", f"{network}-approve", f"{network}-lost-new", *bare}
        [repeat] = counted.repeats
        assert f"{network}-lost-new" in repeat
    assert sorted(one["name"] for one in known["ga4"].counted) == ["generate_lead", "purchase"]
    assert known["ga4"].thrown == known["ga4"].repeats == []
    assert sorted((name, order) for _, name, order in known["taboola"].counted.events) == [
        ("lead", "taboola"),
        ("make_purchase", "taboola"),
    ]


async def _what_was_lost_came_again(made: Installation, worker: WorkerProcess) -> None:
    """The network counted it and answered badly: the second send is the same event to it."""
    await _outcomes(made, worker, "lost", "attempt = 2 AND outcome = 'delivered'", 1)


async def _a_wrong_token_parks(made: Installation, worker: WorkerProcess) -> None:
    for network in WITH_TOKEN:
        leads = lead_events([f"{network}-{number}" for number in range(3)], flow_id=f"{network}-token")
        await made.send(*({**NEW, **event} for event in leads))
    await _outcomes(made, worker, "token", "outcome = 'parked'", 3)
    said = "flow_id LIKE '%-token' AND outcome = 'parked' AND reason LIKE '%3 refusals in a row%'"
    parked = await made.rows("DISTINCT flow_id", said, "flow_id")
    assert parked == sorted((f"{network}-token",) for network in WITH_TOKEN)


async def _who_is_busy_is_left_alone(made: Installation, worker: WorkerProcess) -> None:
    for network in WITH_TOKEN:
        [event] = lead_events([f"{network}-busy"], flow_id=f"{network}-busy")
        await made.send({**NEW, **event})
    await _outcomes(made, worker, "busy", "outcome = 'retrying' AND verdict = 'throttle'", 1)


async def _outcomes(made: Installation, worker: WorkerProcess, kind: str, where: str, leads: int) -> None:
    """Wait until so many leads of each network's flow of a kind have a row of a kind."""
    wanted = {f"{network}-{kind}": leads for network in WITH_TOKEN}

    async def there() -> bool:
        sql = f"flow_id LIKE '%-{kind}' AND {where}"
        rows: list[Any] = await made.rows("DISTINCT flow_id, lead_id", sql, "flow_id")
        return {flow: sum(one == flow for one, _ in rows) for flow in wanted} == wanted

    await until(there, lambda: f"{where} of {wanted}: {worker.tail()}", 90)
