"""The presets of chats and of the signed webhook, through all roles, to servers that do as documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clickhouse import Database
from tests.contracts import telegram
from tests.contracts.vendor import Case, Row, exchange
from tests.kafka import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

SECRETS = {"telegram_token": telegram.TOKEN}
_NEW = {
    "status": "new",
    "click": {"geo": "UA"},
    "tags": {"utm_source": "fb"},
    "customer": {"comment": 'a\n"b"'},
}
_SALE = {"status": "approve", "price": 12.5, "currency": "usd"}
_DELIVERED = [Row("new", "delivered", "ok"), Row("approve", "delivered", "ok")]
CASES = [
    Case("telegram", "telegram", [_NEW, _SALE], _DELIVERED),
    Case(
        "telegram",
        "telegram-unknown",
        [_NEW],
        [Row("new", "failed", "final", "ok is false")],
        params={"chat": telegram.UNKNOWN_CHAT},
    ),
    Case(
        "telegram",
        "telegram-token",
        [_NEW],
        [Row("new", "retrying", "auth", "error_code is 401")],
        secrets={"telegram_token": "1:revoked"},
    ),
    Case(
        "telegram",
        "telegram-flood",
        [_NEW],
        [Row("new", "retrying", "throttle", "asked to wait 7 s")],
        params={"chat": telegram.FLOODED_CHAT},
        last=True,
    ),
]


async def test_chats_and_webhooks_take_what_their_presets_send(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    vendors = {"api.telegram.org": telegram.answer_telegram}
    seen = await exchange(CASES, vendors, SECRETS, kafka, clickhouse, tmp_path)
    texts = [asked.json["text"] for asked, answered in seen if answered.status == 200]
    assert texts == ['New lead telegram\n\nUA fb \na\n"b"', 'Sale telegram\n12.5 USD\nUA fb \na\n"b"']
