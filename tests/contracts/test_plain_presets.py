"""The presets of chats and of the signed webhook, through all roles, to servers that do as documented."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse import Database
from tests.contracts import discord, slack, standard_webhooks, telegram
from tests.contracts.vendor import Case, Row, ago, exchange
from tests.kafka import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_NONE: Mapping[str, str] = {}
_ENDPOINT = "https://hooks.example.com"
_VENDORS = {
    "api.telegram.org": telegram.answer_telegram,
    "hooks.slack.com": slack.answer_slack,
    "discord.com": discord.answer_discord,
    "hooks.example.com": standard_webhooks.answer_webhook,
}
_SECRETS = {
    "telegram_token": telegram.TOKEN,
    "slack_token": slack.TOKEN,
    "discord_token": discord.TOKEN,
    "webhook_key": standard_webhooks.KEY,
}
_NEW = {
    "status": "new",
    "click": {"geo": "UA"},
    "tags": {"utm_source": "fb"},
    "customer": {"comment": 'a\n"b" <!channel> @everyone'},
    "occurred_at": ago(60),
}
_LONG = {**_NEW, "customer": {"comment": "ü" * 9000}, "tags": {"utm_campaign": "c" * 5000}}
_SALE = {"status": "approve", "price": 12.5, "currency": "usd"}
_DELIVERED = [Row("new", "delivered", "ok"), Row("approve", "delivered", "ok")]


def _refused(
    preset: str, name: str, row: Row, params: Mapping[str, str] = _NONE, secrets: Mapping[str, str] = _NONE
) -> Case:
    """One new lead that the vendor refuses."""
    last = row.verdict == "throttle"
    return Case(preset, f"{preset}-{name}", [_NEW], [row], params, secrets, last=last)


CASES = [
    *(Case(one, one, [_NEW, _SALE], _DELIVERED) for one in ("telegram", "slack", "discord")),
    *(Case(one, f"{one}-long", [_LONG], _DELIVERED[:1]) for one in ("telegram", "slack", "discord")),
    Case("standard-webhooks", "standard-webhooks", [_NEW, _SALE], _DELIVERED),
    _refused(
        "telegram", "chat", Row("new", "failed", "final", "400"), params={"chat": telegram.UNKNOWN_CHAT}
    ),
    _refused("telegram", "moved", Row("new", "failed", "final"), params={"chat": telegram.MOVED_CHAT}),
    _refused(
        "telegram", "token", Row("new", "retrying", "auth", "401"), secrets={"telegram_token": "1:gone"}
    ),
    _refused(
        "telegram",
        "flood",
        Row("new", "retrying", "throttle", "asked to wait 7 s"),
        params={"chat": telegram.FLOODED_CHAT},
    ),
    _refused("slack", "removed", Row("new", "retrying", "auth", "404"), secrets={"slack_token": "Removed1"}),
    _refused(
        "slack", "archived", Row("new", "parked", "stop", "410"), params={"slack_webhook": slack.ARCHIVED}
    ),
    _refused(
        "slack",
        "flood",
        Row("new", "retrying", "throttle", "asked to wait 30 s"),
        params={"slack_webhook": slack.FLOODED},
    ),
    _refused("discord", "token", Row("new", "retrying", "auth", "401"), secrets={"discord_token": "Reset-1"}),
    _refused(
        "discord",
        "deleted",
        Row("new", "retrying", "auth", "code is 10015"),
        params={"discord_webhook": discord.DELETED},
    ),
    _refused(
        "discord",
        "flood",
        Row("new", "retrying", "throttle", "asked to wait 64.57 s"),
        params={"discord_webhook": discord.FLOODED},
    ),
    _refused(
        "standard-webhooks",
        "key",
        Row("new", "retrying", "auth", "401"),
        secrets={"webhook_key": standard_webhooks.OTHER_KEY},
    ),
    _refused(
        "standard-webhooks", "gone", Row("new", "parked", "stop"), params={"webhook_url": f"{_ENDPOINT}/gone"}
    ),
    _refused(
        "standard-webhooks",
        "busy",
        Row("new", "retrying", "throttle"),
        params={"webhook_url": f"{_ENDPOINT}/busy?a=1"},
    ),
]


async def test_chats_and_webhooks_take_what_their_presets_send(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    seen = await exchange(CASES, _VENDORS, _SECRETS, kafka, clickhouse, tmp_path)
    taken: dict[str, list[Any]] = {}
    for asked, answered in seen:
        if answered.status < 300 and b"-long" not in asked.body:
            taken.setdefault(asked.host, []).append(asked.json)
    assert [told["text"] for told in taken["api.telegram.org"]] == [
        'New lead telegram\n\nUA fb \na\n"b" <!channel> @everyone',
        'Sale telegram\n12.5 USD\nUA fb \na\n"b" <!channel> @everyone',
    ]
    assert [told["allowed_mentions"] for told in taken["discord.com"]] == [{"parse": []}] * 2
    assert [told["blocks"][0]["text"]["type"] for told in taken["hooks.slack.com"]] == ["plain_text"] * 2
    new, sale = taken["hooks.example.com"]
    assert new["timestamp"] == _NEW["occurred_at"]
    assert sale == {
        "type": "lead.approve",
        "timestamp": sale["timestamp"],
        "data": {
            "lead_id": "standard-webhooks",
            "event_id": "standard-webhooks-1",
            "flow_id": "standard-webhooks",
            "status": "approve",
            "price": 12.5,
            "currency": "USD",
            "geo": "UA",
            "utm_source": "fb",
        },
    }
