"""`postbacks doctor` over Apache Kafka and ClickHouse: a healthy installation, ten mistakes, what is away."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.doctor.partitioners import by_crc32
from tests.kafka import Kafka
from tests.kafka_settings import environ_for
from tests.receivers import Exchange, Receiver, answer
from tests.shell import Shell
from tests.workers import until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_LEADS = 40
Findings = list[dict[str, str]]


@pytest.fixture
def shell(kafka: Kafka, clickhouse_address: str, tmp_path: Path) -> Shell:
    """Commands for a migrated installation."""
    url = f"{clickhouse_address.replace('://', '://default:@')}/test_{uuid.uuid4().hex[:12]}"
    more = {"clickhouse": url, "allow_networks": "127.0.0.0/8", "secret_fb": "hush-hush"}
    made = Shell(tmp_path, environ_for(kafka, tmp_path / "data", **more))
    assert made.run("migrate").returncode == 0
    return made


async def _doctor(shell: Shell, status: int, **more: str) -> Findings:
    """What it finds; it ends with `status` and says nothing on standard error."""
    done = await asyncio.to_thread(shell.run, "doctor", "--json", **more)
    assert (done.returncode, done.stderr) == (status, ""), done
    return [json.loads(line) for line in done.stdout.splitlines()]


def _told(findings: Findings, level: str, group: str) -> str:
    return "\n".join(
        f"{finding['what']} {finding['why']} {finding['do']}"
        for finding in findings
        if (finding["level"], finding["group"]) == (level, group)
    )


def _levels(findings: Findings) -> dict[str, set[str]]:
    levels: dict[str, set[str]] = {}
    for finding in findings:
        levels.setdefault(finding["group"], set()).add(finding["level"])
    return levels


async def _by_path(exchange: Exchange) -> None:
    status = {b"/refused": 401, b"/gone": 404}.get(exchange.received.target, 200)
    await answer(status)(exchange)


def _flow(flow_id: str, link: str, on: str = "new", **more: Any) -> dict[str, Any]:
    return {"flow_id": flow_id, "postbacks": [{"id": "p", "on": [on], "template": link, **more}]}


async def _apply(shell: Shell, *flows: dict[str, Any]) -> None:
    files = [shell.write(f"{flow['flow_id']}.json", flow) for flow in flows]
    done = await asyncio.to_thread(shell.run, "flows", "apply", *files)
    assert done.returncode == 0, done


def _lead(lead_id: str, flow_id: str = "F-1", **more: Any) -> dict[str, Any]:
    event = {"event_id": f"e-{lead_id}", "lead_id": lead_id, "flow_id": flow_id, "status": "new"}
    return {**event, "click": {"id": lead_id}, **more}


async def _send(shell: Shell, events: Sequence[dict[str, Any]], **more: Any) -> None:
    """Write lead events keyed by lead id; `crc32` chooses partitions as librdkafka does."""
    crc32 = more.pop("crc32", False)
    topic = f"{shell.environ['POSTBACKS_PREFIX']}.lead-events"
    async with AIOKafkaProducer(bootstrap_servers=shell.environ["POSTBACKS_KAFKA"]) as producer:
        for event in events:
            key = event["lead_id"].encode()
            partition = by_crc32(key, 4) if crc32 else None
            await producer.send_and_wait(
                topic, json.dumps(event).encode(), key=key, partition=partition, **more
            )


async def _rows(shell: Shell, count: int) -> None:
    async def there() -> bool:
        listed = await asyncio.to_thread(shell.rows, "logs", "list", "--limit", "500")
        return len(listed) >= count

    await until(there, f"{count} rows in the log")


async def test_a_healthy_installation_is_all_fine_and_ten_mistakes_are_each_found(shell: Shell) -> None:
    async with Receiver(_by_path) as receiver:
        token = {"Authorization": "Bearer {secret.fb}"}
        await _apply(shell, _flow("F-1", receiver.url("/?c={click}"), headers=token))
        worker = shell.worker()
        try:
            await worker.ready()
            await _send(shell, [_lead(f"L-{number}") for number in range(_LEADS)])
            await _rows(shell, _LEADS)
            await _is_fine(shell)
            await _apply(shell, _flow("F-2", receiver.url("/refused")), _flow("F-3", receiver.url("/gone")))
            await _apply(shell, _flow("F-5", receiver.url("/"), on="goal"))
            await _send(shell, [_lead(f"{flow}-{n}", flow) for flow in ("F-2", "F-3") for n in range(3)])
            await _send(shell, [_lead(f"B-{number}", price="a lot") for number in range(_LEADS)])
            await _rows(shell, 2 * _LEADS + 6)
            assert await worker.stop() == 0
        finally:
            worker.kill()

    await _plant(shell)
    findings = await _doctor(
        shell,
        1,
        POSTBACKS_SENDING="dry-run",
        POSTBACKS_SENDNG="on",
        POSTBACKS_REPLICATION="3",
        POSTBACKS_LOG_TTL_DAYS="30",
        POSTBACKS_SECRET_FB="",
    )
    prefix = shell.environ["POSTBACKS_PREFIX"]
    for level, group, words in (
        ("warn", "settings", ["POSTBACKS_SENDNG", "did you mean POSTBACKS_SENDING", "dry-run"]),
        ("warn", "Kafka", ["POSTBACKS_REPLICATION is 3", "Set POSTBACKS_REPLICATION=1"]),
        ("fail", "topics", [f"{prefix}.flow-configs: cleanup.policy is delete, not compact"]),
        ("fail", "topics", [f"1 topic is missing: {prefix}.postback-log-rejected", "`postbacks migrate`"]),
        ("fail", "producers", ["CRC-32", "`partitioner=murmur2_random`"]),
        ("fail", "producers", [f"{_LEADS} of", "were rejected", "price", "`postbacks schema lead-event`"]),
        ("fail", "workers", ["no worker runs join", f"{_LEADS} records for join", "postbacks worker --role"]),
        ("fail", "clocks", ["from the future, by up to 30 min", "NTP"]),
        ("warn", "ClickHouse", ["POSTBACKS_LOG_TTL_DAYS", "postback_log", "`postbacks migrate`"]),
        ("fail", "secrets", ["secret fb is not set here: F-1/p", "POSTBACKS_SECRET_FB"]),
        ("fail", "flows", ["flow F-4 is broken", "`postbacks flows delete F-4`"]),
        ("warn", "flows", ["flow F-5 never fires", "names it"]),
        ("fail", "receivers", ["127.0.0.1: 3 sends of F-3/p", "status 404", "link", "logs list --host"]),
        ("warn", "receivers", ["F-2/p is parked since", "401", "`postbacks release F-2 p`"]),
    ):
        told = _told(findings, level, group)
        for word in words:
            assert word in told, (word, findings)


async def _is_fine(shell: Shell) -> None:
    findings = await _doctor(shell, 0)
    assert set.union(*_levels(findings).values()) == {"ok"}, findings
    assert len(_levels(findings)) == 10
    shown = await asyncio.to_thread(shell.run, "doctor")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"\n{len(findings)} fine\n" in shown.stdout
    assert shown.stdout.count("  ✓ ") == len(findings)


async def _plant(shell: Shell) -> None:
    """Mistakes in Kafka: a topic's setting, a missing topic, a broken flow, a wrong hash from the future."""
    prefix = shell.environ["POSTBACKS_PREFIX"]
    admin = AIOKafkaAdminClient(bootstrap_servers=shell.environ["POSTBACKS_KAFKA"])
    await admin.start()
    try:
        of_flows = {"cleanup.policy": "delete"}
        configs = ConfigResource(ConfigResourceType.TOPIC, f"{prefix}.flow-configs", of_flows)
        await admin.alter_configs([configs])
        await admin.delete_topics([f"{prefix}.postback-log-rejected"])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=shell.environ["POSTBACKS_KAFKA"]) as producer:
        await producer.send_and_wait(f"{prefix}.flow-configs", b"{", key=b"F-4", partition=0)
    leads = [_lead(f"C-{number}") for number in range(_LEADS)]
    await _send(shell, leads, crc32=True, timestamp_ms=round(time.time() * 1000) + 1_800_000)


async def test_what_is_away_is_a_finding_with_its_cure_and_hides_nothing_else(shell: Shell) -> None:
    await _apply(shell, _flow("F-1", "https://track.er/?c={click}"))
    findings = await _doctor(shell, 1, POSTBACKS_KAFKA="127.0.0.1:1")
    assert "127.0.0.1:1: Connection refused" in _told(findings, "fail", "Kafka")
    assert "POSTBACKS_KAFKA" in _told(findings, "fail", "Kafka")
    levels = _levels(findings)
    assert (levels["ClickHouse"], levels["receivers"]) == ({"ok"}, {"ok", "unchecked"})
    for group in ("topics", "producers", "workers", "secrets", "flows"):
        assert levels[group] == {"unchecked"}

    away = "http://me:sesame@127.0.0.1:1/x"
    findings = await _doctor(shell, 1, POSTBACKS_CLICKHOUSE=away)
    told = _told(findings, "fail", "ClickHouse")
    assert "http://127.0.0.1:1/x" in told
    assert "POSTBACKS_CLICKHOUSE" in told
    assert "sesame" not in json.dumps(findings)
    levels = _levels(findings)
    assert (levels["Kafka"], levels["topics"], levels["secrets"]) == ({"ok"}, {"ok"}, {"ok"})
    assert levels["workers"] == {"fail"}
    assert levels["receivers"] == {"unchecked"}

    missing = f"{shell.environ['POSTBACKS_CLICKHOUSE']}_other"
    findings = await _doctor(shell, 1, POSTBACKS_CLICKHOUSE=missing, POSTBACKS_PREFIX="nobody")
    assert "`postbacks migrate`" in _told(findings, "fail", "ClickHouse")
    assert "topics are missing" in _told(findings, "fail", "topics")
