"""The commands over Apache Kafka and ClickHouse, and the worker that `postbacks worker` starts."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from app.log.writer import connect
from app.messages.envelope import unpack
from app.messages.record import LogRecord
from app.queries.stats import refresh
from app.settings import load
from tests.kafka import Kafka, free_port
from tests.kafka_settings import environ_for
from tests.receivers import Exchange, Receiver, answer, late, never
from tests.shell import Shell, one_line
from tests.workers import WorkerProcess, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_FLOW = {"flow_id": "F-7", "name": "Summer", "postbacks": {"new": "https://track.er/?c={click}"}}
_REFUSED = {"flow_id": "F-8", "postbacks": {"new": "https://track.er/?c={click|sha265}"}}
_DOUBTFUL = {"flow_id": "*", "postbacks": {"new": ["https://track.er/?c={clik}", "https://b.er/"]}}


def _shell(kafka: Kafka, clickhouse_address: str, folder: Path, **more: str) -> Shell:
    """Commands for a prefix and a database that do not exist yet."""
    url = f"{clickhouse_address.replace('://', '://default:@')}/test_{uuid.uuid4().hex[:12]}"
    return Shell(
        folder,
        environ_for(kafka, folder / "data", clickhouse=url, allow_networks="127.0.0.0/8", **more),
    )


@pytest.fixture
def unmade(kafka: Kafka, clickhouse_address: str, tmp_path: Path) -> Shell:
    """Commands for an installation that was not migrated."""
    return _shell(kafka, clickhouse_address, tmp_path)


@pytest.fixture
def made(unmade: Shell) -> Shell:
    """Commands for a migrated installation."""
    assert unmade.run("migrate").returncode == 0
    return unmade


def test_migrate_makes_what_is_missing_and_then_finds_nothing_to_do(unmade: Shell) -> None:
    first = unmade.run("migrate")
    assert (first.returncode, first.stderr) == (0, "")
    prefix = unmade.environ["POSTBACKS_PREFIX"]
    assert f"topic {prefix}.lead-events made, 4 partitions\n" in first.stdout
    assert "tables of 0001_postback_log made\n" in first.stdout
    second = unmade.run("migrate")
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == "nothing to do: topics and tables are as they should be\n"
    one_line(unmade.run("migrate", POSTBACKS_PARTITIONS="5"), 1, "POSTBACKS_PARTITIONS=4", "lead-events")
    longer = unmade.run("migrate", POSTBACKS_LOG_TTL_DAYS="30").stdout
    assert "table postback_log keeps its rows 30 days\n" in longer


def test_migrate_without_clickhouse_says_so_and_what_it_made_before(unmade: Shell) -> None:
    done = unmade.run("migrate", POSTBACKS_CLICKHOUSE="http://me:sesame@127.0.0.1:1/x")
    assert done.returncode == 1
    assert "lead-events made" in done.stdout
    assert done.stderr.startswith("postbacks: ClickHouse at http://127.0.0.1:1/x: ")
    assert (done.stderr.count("\n"), "sesame" in done.stderr) == (1, False)


def test_what_was_not_migrated_is_named_with_the_cure(unmade: Shell) -> None:
    unmade.write("flow.json", _FLOW)
    for command in ("worker", "flows apply flow.json", "flows list", "flows show F-7", "flows delete F-7"):
        one_line(unmade.run(*command.split()), 1, "run postbacks migrate", unmade.environ["POSTBACKS_PREFIX"])
    for command in ("logs list", "logs show x", "stats"):
        one_line(unmade.run(*command.split()), 1, "postbacks migrate")


def test_events_are_keyed_by_lead_as_other_producers_hash(made: Shell) -> None:
    hashes = {
        "21": -973932308,
        "foobar": -790332482,
        "a-little-bit-long-string": -985981536,
        "abc": 479470107,
    }
    events = [{"event_id": "e", "lead_id": lead, "flow_id": "F", "status": "new"} for lead in hashes]
    text = "".join(f"{json.dumps(event)}\n" for event in events)
    done = made.run("leads", "send", "-", "--json", stdin=text)
    assert (done.returncode, done.stderr) == (0, "")
    sent = [json.loads(line) for line in done.stdout.splitlines()]
    # the hashes are those of Apache Kafka's own test of its partitioner
    assert {line["lead_id"]: line["partition"] for line in sent} == {
        lead: (murmur2 & 0x7FFFFFFF) % 4 for lead, murmur2 in hashes.items()
    }
    (made.folder / "bad.jsonl").write_text(f'{{"event_id": "e"}}\n{json.dumps(events[0])}\n')
    done = made.run("leads", "send", "bad.jsonl", "--skip-bad")
    assert (done.returncode, done.stdout.startswith("1 event sent to ")) == (2, True)
    assert done.stderr.splitlines() == [
        "postbacks: bad.jsonl:1: lead_id: missing",
        "postbacks: bad.jsonl: 1 of 2 lines are wrong and were not sent",
    ]
    assert made.run("leads", "send", "-").stdout.startswith("0 events sent to ")


def test_flows_are_applied_listed_shown_and_deleted(made: Shell) -> None:
    assert (made.rows("flows", "list"), made.run("flows", "list").returncode) == ([], 0)
    made.write("good.json", _FLOW)
    done = made.run("flows", "apply", "good.json", "-", stdin=json.dumps(_DOUBTFUL))
    assert (done.returncode, done.stdout) == (0, "flow F-7 applied\nflow * applied\n")
    assert done.stderr.startswith("-: warning: postbacks.new[0]: ")
    assert "{click}" in done.stderr
    assert made.rows("flows", "list") == [
        {**row, "parked": []}
        for row in (
            {"flow_id": "*", "name": "*", "version": 1, "state": "enabled", "postbacks": ["new", "new-2"]},
            {"flow_id": "F-7", "name": "Summer", "version": 0, "state": "enabled", "postbacks": ["new"]},
        )
    ]
    assert "Summer" in made.run("flows", "list").stdout
    assert made.run("flows", "show", "F-7").stdout == json.dumps(_FLOW) + "\n"
    assert made.rows("flows", "show", "F-7") == [
        {"flow_id": "F-7", "version": 0, "parked": [], "config": _FLOW}
    ]
    assert made.rows("flows", "apply", "good.json") == [{"flow_id": "F-7", "version": 2}]
    assert made.run("flows", "delete", "F-7").stdout == "flow F-7 deleted\n"
    for command in ("show", "delete"):
        one_line(made.run("flows", command, "F-7"), 1, "'F-7'", "flows list")
    assert [row["flow_id"] for row in made.rows("flows", "list")] == ["*"]


def test_of_several_files_all_are_applied_or_none(made: Shell) -> None:
    for name, flow in (("good", _FLOW), ("bad", _REFUSED), ("again", {**_FLOW, "name": "Winter"})):
        made.write(f"{name}.json", flow)
    done = made.run("flows", "apply", "good.json", "bad.json")
    one_line(done, 2, "bad.json: postbacks.new: ", "sha256")
    one_line(made.run("flows", "apply", "good.json", "missing.json"), 2, "missing.json")
    one_line(made.run("flows", "apply", "good.json", "again.json"), 2, "again.json", "F-7", "good.json")
    assert made.rows("flows", "list") == []


def test_a_preset_is_added_to_a_flow_and_no_edit_of_others_is_lost(made: Shell) -> None:
    made.write("flow.json", _FLOW)
    assert made.run("flows", "apply", "flow.json").returncode == 0
    apply = ("presets", "apply", "telegram", "--flow", "F-7", "--param", "chat=-100123456")
    unsaid = made.run(*apply)
    assert unsaid.returncode == 1
    assert '"https://api.telegram.org/bot{secret.telegram_token}/sendMessage|JSON|' in unsaid.stdout
    assert "set POSTBACKS_SECRET_TELEGRAM_TOKEN where postbacks are sent" in unsaid.stderr
    assert "Write flow F-7 (version 0) with telegram?" in unsaid.stderr
    assert "nothing was done" in unsaid.stderr
    asking = made.start(*apply, out=made.folder / "asked", stdin=subprocess.PIPE)
    while b"[y/N]" not in (made.folder / "asked").read_bytes():
        assert asking.poll() is None
        time.sleep(0.05)
    made.write("flow.json", {**_FLOW, "name": "Autumn"})
    assert made.run("flows", "apply", "flow.json").returncode == 0
    asking.communicate(b"y\n", timeout=30)
    assert asking.returncode == 1
    assert b"flow F-7 was changed by somebody else meanwhile" in (made.folder / "asked").read_bytes()
    [done] = made.rows(*apply, "--yes")
    assert done == {"flow_id": "F-7", "version": 2, "postbacks": ["telegram"]}
    [shown] = made.rows("flows", "show", "F-7")
    assert (shown["config"]["name"], shown["config"]["params"]) == ("Autumn", {"chat": "-100123456"})
    assert [one["id"] for one in shown["config"]["postbacks"]] == ["new", "telegram"]
    assert made.run(*apply[:3], "--flow", "F-9", *apply[5:], "--yes").returncode == 0
    assert [row["flow_id"] for row in made.rows("flows", "list")] == ["F-7", "F-9"]
    link = "https://ad.example/pb?c={subid}&p={revenue}"
    asked = made.run("import", link, "--flow", "F-7", "--on", "new,approve")
    assert (asked.returncode, asked.stdout.partition("\n")[0]) == (
        1,
        "https://ad.example/pb?c={click}&p={price}",
    )
    assert "Write flow F-7 (version 2) with ad-example?" in asked.stderr
    [done] = made.rows("import", link, "--flow", "F-7", "--on", "new", "--on", "approve", "--yes")
    assert done == {"flow_id": "F-7", "version": 4, "postbacks": ["ad-example"]}
    [shown] = made.rows("flows", "show", "F-7")
    assert shown["config"]["postbacks"][-1] == {
        "id": "ad-example",
        "on": ["new", "approve"],
        "template": "https://ad.example/pb?c={click}&p={price}",
    }


async def test_a_broken_config_in_the_topic_is_listed_as_broken(made: Shell) -> None:
    topic = f"{made.environ['POSTBACKS_PREFIX']}.flow-configs"
    async with AIOKafkaProducer(bootstrap_servers=made.environ["POSTBACKS_KAFKA"]) as producer:
        await producer.send_and_wait(topic, b"{", key=b"F-1", partition=0)
        await producer.send_and_wait(topic, json.dumps(_FLOW).encode(), key=b"F-2", partition=0)
    states = {row["flow_id"]: row["state"] for row in made.rows("flows", "list")}
    assert states["F-1"].startswith("broken: ")
    assert states["F-2"].startswith("broken: flow_id: ")


@dataclass(frozen=True)
class Written:
    """What a worker did with a few events until it was stopped."""

    shell: Shell
    status: int
    log: str
    received: list[tuple[bytes, bytes | None]]
    sent: list[dict[str, Any]]
    tail: str
    tail_status: int


async def _by_path(exchange: Exchange) -> None:
    gone = exchange.received.target.startswith(b"/gone")
    await (answer(404, b"no such click") if gone else answer(200, b"OK"))(exchange)


def _flow(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {
        "flow_id": "F-1",
        "postbacks": [
            {"id": "pixel", "on": ["new"], "template": receiver.url("/ok?c={click}"), **more},
            {"id": "lost", "on": ["hold"], "template": receiver.url("/gone?c={click}")},
            {"id": "ua", "on": ["new"], "template": receiver.url("/ua"), "when": {"geo": "UA"}},
        ],
    }


async def _send(shell: Shell, *events: dict[str, Any] | bytes) -> None:
    topic = f"{shell.environ['POSTBACKS_PREFIX']}.lead-events"
    async with AIOKafkaProducer(bootstrap_servers=shell.environ["POSTBACKS_KAFKA"]) as producer:
        for event in events:
            value = event if isinstance(event, bytes) else json.dumps(event).encode()
            key = b"" if isinstance(event, bytes) else event["lead_id"].encode()
            await producer.send_and_wait(topic, value, key=key)


def _lead(lead_id: str, status: str, **more: Any) -> dict[str, Any]:
    event = {"event_id": f"{lead_id}-{status}", "lead_id": lead_id, "flow_id": "F-1", "status": status}
    return {**event, "click": {"id": f"c-{lead_id}", "geo": "PL"}, **more}


async def _write(shell: Shell) -> Written:
    """Three leads, one event twice, and a bad event through a worker: 6 rows, and what follows them."""
    tailed = shell.folder / "tail"
    async with Receiver(_by_path) as receiver:
        flow = _flow(receiver, headers={"Authorization": "Bearer {secret.fb}"})
        assert shell.run("flows", "apply", shell.write("flow.json", flow)).returncode == 0
        worker = await shell.worker(POSTBACKS_LOG_LEVEL="debug").ready()
        tail = shell.start("logs", "tail", "--json", out=tailed)
        tags = {"utm_source": "fb"}
        events = [_lead("L-1", "new", tags=tags), _lead("L-2", "hold"), _lead("L-1", "new")]
        events.append(_lead("L-3", "new", click={"id": "c-L-3", "geo": "UA"}, tags=tags))
        (shell.folder / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
        sent = await asyncio.to_thread(shell.rows, "leads", "send", "events.jsonl")
        await _send(shell, b'{"event_id": 7}')
        await until(lambda: tailed.read_text().count("\n") >= 6, lambda: f"six rows: {worker.tail()}")
        tail.send_signal(signal.SIGINT)
        tail_status = await asyncio.to_thread(tail.wait, 20)
        client = await connect(shell.environ["POSTBACKS_CLICKHOUSE"])
        await refresh(client)
        await client.close()
        status = await worker.stop()
        received = [(r.target, r.header(b"Authorization")) for r in receiver.requests]
        log = worker.log.read_text()
        return Written(shell, status, log, received, sent, tailed.read_text(), tail_status)


@pytest.fixture(scope="module")
def written(kafka: Kafka, clickhouse_address: str, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """One worker for all checks of what it wrote; its settings and a secret are in a `.env` file."""
    folder = tmp_path_factory.mktemp("cli")
    shell = _shell(kafka, clickhouse_address, folder)
    shell.environ["POSTBACKS_SECRET_FB"] = "hush-hush"
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in shell.environ.items()))
    assert Shell(folder, {}).run("migrate").returncode == 0
    done = asyncio.run(_write(Shell(folder, dict(shell.environ))))
    return replace(done, shell=Shell(folder, {}))


def test_a_worker_ends_with_status_0_after_sigterm(written: Written) -> None:
    assert written.status == 0, written.log[-3000:]


def test_a_secret_of_the_dotenv_file_is_sent_and_shown_nowhere(written: Written) -> None:
    assert (b"/ok?c=c-L-1", b"Bearer hush-hush") in written.received
    (row,) = written.shell.rows("logs", "list", "--lead", "L-1", "--outcome", "delivered")
    shown = written.shell.run("logs", "show", row["request_id"])
    assert "Authorization: " in shown.stdout
    listed = written.shell.run("logs", "list", "--json")
    assert "hush" not in written.log + shown.stdout + listed.stdout


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], ["delivered", "delivered", "delivered", "failed", "rejected", "skipped"]),
        (["--flow", "F-1", "--postback", "pixel"], ["delivered", "delivered"]),
        (["--outcome", "failed", "--outcome", "skipped"], ["failed", "skipped"]),
        (["--code", "4xx"], ["failed"]),
        (["--code", "200", "--host", "127.0.0.1"], ["delivered", "delivered", "delivered"]),
        (["--lead", "L-3"], ["delivered", "delivered"]),
        (["--click", "c-L-2"], ["failed"]),
        (["--event", "new", "--tag", "utm_source=fb"], ["delivered", "delivered", "delivered", "skipped"]),
        (["--text", "no such click"], ["failed"]),
        (["--since", "2h", "--limit", "2"], None),
        (["--until", "1h"], []),
        (["--flow", "F-2"], []),
        (["--lead-flow", "F-1", "--outcome", "skipped"], ["skipped"]),
    ],
)
def test_logs_list_finds_the_rows_that_meet_its_filters(
    written: Written, filters: list[str], found: list[str] | None
) -> None:
    rows = written.shell.rows("logs", "list", *filters)
    if found is None:
        assert len(rows) == 2
    else:
        assert sorted(row["outcome"] for row in rows) == found


def test_logs_tail_prints_each_row_once_as_it_comes_and_ends_by_ctrl_c(written: Written) -> None:
    assert written.tail_status == 0, written.tail
    tailed = [json.loads(line) for line in written.tail.splitlines()]
    listed = [{k: v for k, v in row.items() if k != "cursor"} for row in written.shell.rows("logs", "list")]
    assert sorted(tailed, key=lambda row: row["attempt_id"]) == sorted(
        listed, key=lambda row: row["attempt_id"]
    )


def test_leads_send_says_where_kafka_has_each_event(written: Written) -> None:
    assert [(line["line"], line["lead_id"]) for line in written.sent] == [
        *((1, "L-1"), (2, "L-2"), (3, "L-1"), (4, "L-3"))
    ]
    first, _, again, _ = written.sent
    assert first["topic"].endswith(".lead-events")
    assert again["partition"] == first["partition"]
    assert again["offset"] > first["offset"]


def test_leads_show_tells_the_lead_and_all_that_happened_to_it(written: Written) -> None:
    (story,) = written.shell.rows("leads", "show", "L-1")
    assert (story["lead"]["status"], story["lead"]["click"]["id"]) == ("new", "c-L-1")
    assert [(entry["kind"], entry.get("result") or entry["outcome"]) for entry in story["timeline"]] == [
        *(("event", "folded"), ("event", "repeat")),
        *(("row", "skipped"), ("row", "delivered")),
    ]
    changed = {change["field"]: change["after"] for change in story["timeline"][0]["changed"]}
    assert changed["tags.utm_source"] == "fb"
    told = written.shell.run("leads", "show", "L-1")
    assert (told.returncode, told.stderr) == (0, "")
    for words in (
        "lead L-1  new since ",
        "click.id c-L-1",
        "  repeat",
        "condition: geo",
        "/ok?c=c-L-1 → 200 in ",
    ):
        assert words in told.stdout
    one_line(written.shell.run("leads", "show", "L-x"), 1, "'L-x'")


def test_flows_lint_looks_at_what_a_lead_fills_in(written: Written, tmp_path: Path) -> None:
    flow = tmp_path / "flow.json"
    links = {
        "new": "https://t.example/?c={click}&g={gclid}",
        "hold": "https://t.example/?s={utm_source|sha256}",
    }
    flow.write_text(json.dumps({"flow_id": "F-1", "postbacks": links}))
    assert written.shell.rows("flows", "lint", str(flow)) == []
    (line,) = written.shell.rows("flows", "lint", "--lead", "L-1", str(flow))
    assert (line["kind"], line["place"]) == ("warning", "postbacks.new")
    assert line["text"].startswith("{gclid} has no value for this lead, g at 31")
    one_line(written.shell.run("flows", "lint", "--lead", "L-x", str(flow)), 1, "'L-x'")


def test_logs_list_pages_with_the_cursor_that_a_page_ends_with(written: Written) -> None:
    first = written.shell.run("logs", "list", "--limit", "4")
    assert first.returncode == 0
    cursor = first.stderr.removeprefix("more: --before ").strip()
    rest = written.shell.rows("logs", "list", "--before", cursor)
    everything = written.shell.rows("logs", "list")
    assert rest == everything[4:]
    for row in everything[:4]:
        assert row["request_id"] or row["attempt_id"] in first.stdout


def test_logs_show_tells_what_was_sent_and_what_came_back(written: Written) -> None:
    (row,) = written.shell.rows("logs", "list", "--lead", "L-2")
    told = written.shell.run("logs", "show", row["request_id"]).stdout
    assert "GET http://127.0.0.1" in told
    assert "/gone?c=c-L-2" in told
    assert "→ 404 in " in told
    assert "no such click" in told
    (shown,) = written.shell.rows("logs", "show", row["request_id"])
    assert written.shell.rows("logs", "show", row["request_id"][:8] + "…") == [shown]
    assert (shown["outcome"], shown["response_status"], shown["attempt"]) == ("failed", 404, 1)
    one_line(written.shell.run("logs", "show", "nothing"), 1, "'nothing'", "logs list")


def test_stats_count_what_the_worker_wrote(written: Written) -> None:
    by_postback = {row["postback"]: row for row in written.shell.rows("stats", "--flow", "F-1")}
    counts = {name: (row["rows"], row["delivered"], row["failed"]) for name, row in by_postback.items()}
    assert counts == {"pixel": (2, 2, 0), "lost": (1, 0, 1), "ua": (2, 1, 0)}
    assert by_postback["ua"]["skipped"] == 1
    assert by_postback["pixel"]["duration_p50_ms"] > 0
    (fb,) = written.shell.rows("stats", "--by", "utm_source", "--tag", "utm_source=fb")
    assert (fb["utm_source"], fb["rows"]) == ("fb", 4)
    told = written.shell.run("stats", "--postback", "lost")
    assert (told.returncode, "F-1" in told.stdout, "pixel" in told.stdout) == (0, True, False)


def test_log_lines_are_json_with_request_lead_and_flow(written: Written) -> None:
    lines = [json.loads(line) for line in written.log.splitlines()]
    attempts = {line["lead"]: line for line in lines if line["event"] == "attempt" and line["attempt"]}
    assert attempts.keys() == {"L-1", "L-2", "L-3"}
    for line in attempts.values():
        assert line["flow"] == "F-1"
        assert len(line["request"]) >= 16
        assert line["level"]
        assert line["timestamp"].endswith("Z")
    assert (attempts["L-2"]["outcome"], attempts["L-2"]["status"]) == ("failed", 404)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopped_worker_finishes_what_is_in_flight(made: Shell, number: signal.Signals) -> None:
    async with Receiver(late(2, answer(200))) as receiver:
        worker = await _sending(made, receiver)
        worker.process.send_signal(number)
        assert await worker.ended(30) == 0, worker.tail()
        assert len(receiver.requests) == 1
    records = await read_topic(load(made.environ), f"{made.environ['POSTBACKS_PREFIX']}.postback-log")
    found = [msgspec.json.decode(value, type=LogRecord) for r in records for value in unpack(r.value)]
    assert [(row.lead_id, row.outcome) for row in found] == [("L-1", "delivered")], worker.tail()
    rows = made.rows("logs", "list")
    assert [(row["lead_id"], row["outcome"]) for row in rows] == [("L-1", "delivered")], worker.tail()


async def test_a_receiver_that_never_answers_holds_no_stop_for_longer_than_the_setting(made: Shell) -> None:
    async with Receiver(never()) as receiver:
        worker = await _sending(made, receiver, POSTBACKS_STOP_TIMEOUT="1")
        started = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended(30) == 0, worker.tail()
        assert time.monotonic() - started < 15  # the postback's own time-out is 30 s


async def _sending(shell: Shell, receiver: Receiver, **more: str) -> WorkerProcess:
    """A worker that is sending one request to the receiver now."""
    flow = {"flow_id": "F-1", "postbacks": [_flow(receiver, timeout_s=30)["postbacks"][0]]}
    assert shell.run("flows", "apply", shell.write("flow.json", flow)).returncode == 0
    worker = await shell.worker(**more).ready()
    await _send(shell, _lead("L-1", "new"))
    try:
        await receiver.arrived(1, within_s=30)
    except TimeoutError:
        raise AssertionError(f"nothing was sent: {worker.tail()}") from None
    return worker


async def test_a_second_worker_takes_neither_the_data_nor_the_port_of_the_first(made: Shell) -> None:
    first = await made.worker().ready()
    port = str(first.web_port)
    other = {"POSTBACKS_WEB": f"127.0.0.1:{free_port()}"}
    done = await asyncio.to_thread(made.run, "worker", "--role", "outbound", **other)
    assert done.returncode == 1
    assert "another worker uses" in done.stderr.splitlines()[-1]
    assert "POSTBACKS_WORKER" in done.stderr
    second = {"POSTBACKS_WEB": f"127.0.0.1:{port}", "POSTBACKS_WORKER": "w2"}
    done = await asyncio.to_thread(made.run, "worker", "--role", "log,web", **second)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr.splitlines()[-1]
    assert "POSTBACKS_WEB" in done.stderr
    assert first.get("/readyz")[0] == 200
    assert await first.stop() == 0
