"""Bad input of every kind, in each topic that others write to: kept, named, and nothing waits behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from app.kit.clock import now_ms
from app.messages.record import Address, LogRecord
from app.topics import MAX_RECORD_BYTES
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.outbound import request
from tests.receivers import Receiver, answer
from tests.workers import Installation, WorkerProcess, installation, read_topic, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_KIB = 1024
_Sends = Sequence[tuple[bytes | None, bytes | None, int]]
_HEADERS = [("trace", b"1"), ("trace", b"\xff"), ("empty", b"")]


def _event(lead: str, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"{lead}-1", "lead_id": lead, "flow_id": "F-1", "status": "new", **fields}


def _wide(event: Mapping[str, Any], size_bytes: int) -> bytes:
    """An event whose text has exactly so many bytes."""
    bare = json.dumps({**event, "customer": {"comment": ""}}).encode()
    return json.dumps({**event, "customer": {"comment": "x" * (size_bytes - len(bare))}}).encode()


_DEEP = 100_000
_BAD: dict[str, tuple[bytes | None, str]] = {
    "text": (b"lead L-1 is new", "not JSON: "),
    "empty": (b"", "not JSON: "),
    "tombstone": (None, "no value: lead events are never deleted by a null"),
    "array": (b"[]", "expected an object, got an array"),
    "number": (b"12", "expected an object, got a number"),
    "not-utf8": (b'{"event_id":"e","lead_id":"L\xff"}', "not UTF-8: byte 28 (0xff)"),
    "utf16": (json.dumps(_event("x")).encode("utf-16"), "not UTF-8: byte 0 (0xff)"),
    "nul": (b'{"event_id":"e","lead_id":"L\0"}', "not JSON: "),
    "nan": (b'{"event_id":"e","lead_id":"L","price":NaN}', "not JSON: NaN"),
    "deep-arrays": (b'{"meta":' + b"[" * _DEEP + b"]" * _DEEP + b"}", "nested deeper than 64"),
    "deep-open": (b"[" * _DEEP, "nested deeper than 64"),
    "deep-unknown": (b'{"x":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, "nested deeper than 64"),
    "over": (_wide(_event("over"), 256 * _KIB + 1), "262145 bytes, over the limit of 262144"),
    "near-2-mib": (b"x" * (MAX_RECORD_BYTES - 300), f"{MAX_RECORD_BYTES - 300} bytes, over the limit"),
    "no-event-id": (b'{"lead_id":"L"}', "event_id: missing"),
    "blank-lead-id": (b'{"event_id":"e","lead_id":" \\u00a0"}', "lead_id: missing"),
    "number-as-id": (b'{"event_id":"e","lead_id":7}', "lead_id: expected a text, got a number"),
    "unknown-status": (json.dumps(_event("x", status="sold")).encode(), 'status: unknown status "sold"'),
    "price-as-text": (json.dumps(_event("x", price="1")).encode(), "price: expected a number, got a text"),
    "too-large": (json.dumps(_event("x", meta={"n": 2**64})).encode(), "meta.n: an integer outside"),
    "too-small": (json.dumps(_event("x", price=-(2**63) - 1)).encode(), "price: an integer outside"),
    "infinite": (b'{"event_id":"e","lead_id":"L","price":1e999}', "price: an infinite number"),
    "surrogate": (b'{"event_id":"e","lead_id":"L","uid":"\\ud83d"}', "uid: a lone surrogate, \\ud83d"),
    "surrogate-key": (b'{"event_id":"e","lead_id":"L","tags":{"\\udc00":1}}', "tags["),
    "nested-tag": (b'{"event_id":"e","lead_id":"L","tags":{"a":{}}}', "tags.a: expected a text, a number"),
    "unknown-lead": (
        b'{"event_id":"e","lead_id":"unknown-lead","price":1}',
        "lead unknown-lead is unknown and the event brings no flow_id and no status",
    ),
}

_FLOWS: list[dict[str, Any]] = [
    {
        "flow_id": "F-1",
        "postbacks": [
            {"id": "status", "on": ["new", "hold"], "template": "{link}?e=status&c={comment|sha256}"},
            {"id": "goal", "on": ["goal"], "template": "{link}?e=goal&g={goal}"},
            {"id": "price", "on": ["price"], "template": "{link}?e=price&p={price}"},
        ],
    },
    {"flow_id": "F-off", "enabled": False, "postbacks": {"new": "{link}?e=off"}},
]  # fmt: skip


def _flows(receiver: Receiver) -> list[dict[str, Any]]:
    link = f"http://127.0.0.1:{receiver.port}/{{id}}"
    flows: list[dict[str, Any]] = json.loads(json.dumps(_FLOWS).replace("{link}", link))
    return flows


_SOUND: list[tuple[Mapping[str, Any] | bytes, list[tuple[str, str, str, str]]]] = [
    (_wide(_event("exactly"), 256 * _KIB), [("exactly", "new", "delivered", "")]),
    (_event("null\0é\u2028"), [("null\0é\u2028", "new", "delivered", "")]),
    (_event("nowhere", flow_id="F-none"), [("nowhere", "new", "skipped", "no flow")]),
    (_event("off", flow_id="F-off"), [("off", "new", "skipped", "disabled")]),
    (_event("silent", silent=True), [("silent", "new", "skipped", "silent")]),
    (_event("late"), [("late", "new", "delivered", "")]),
    (
        {"event_id": "l-2", "lead_id": "late", "status": "hold", "occurred_at": "2020-01-01T00:00:00Z"},
        [("late", "hold", "skipped", "late")],
    ),
    (_event("repeat"), [("repeat", "new", "delivered", "")]),
    (_event("repeat"), []),
    (_event("price"), [("price", "new", "delivered", "")]),
    (
        {"event_id": "p-2", "lead_id": "price", "price": 1e21},
        [("price", "price", "delivered", "")],
    ),
    ({"event_id": "p-3", "lead_id": "price", "price": 1e21}, []),
    (_event("goal", goal="deposit"), [("goal", "new", "delivered", ""), ("goal", "goal", "delivered", "")]),
    ({**_event("extra"), "unheard": {"of": [1, 2]}}, [("extra", "new", "delivered", "")]),
]


async def _send(made: Installation, sends: _Sends, **options: Any) -> None:
    """Key, value and partition, by a client that takes large records; each with headers of its own."""
    producer = AIOKafkaProducer(
        bootstrap_servers=made.settings.kafka, max_request_size=64 * 1024 * _KIB, **options
    )
    async with producer:
        for key, value, partition in sends:
            await producer.send_and_wait(
                made.settings.topics.lead_events.name, value, key=key, partition=partition, headers=_HEADERS
            )


async def _metric(worker: WorkerProcess, line: str) -> float:
    """The value of one line of /metrics; 0 when it is not there."""
    for found in worker.get("/metrics")[1].splitlines():
        name, _, value = found.rpartition(" ")
        if name == line:
            return float(value)
    return 0.0


def _at_least(worker: WorkerProcess, line: str, value: float) -> Callable[[], Any]:
    async def reached() -> bool:
        return await _metric(worker, line) >= value

    return reached


def _logged(worker: WorkerProcess) -> list[dict[str, Any]]:
    """The entries of a worker's log; each line is one."""
    return [json.loads(line) for line in worker.log.read_text().splitlines()]


async def test_bad_lead_events_are_kept_untouched_and_the_good_between_them_are_delivered(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        await made.apply(*_flows(receiver))
        worker = await made.start().ready()
        sound = [event if isinstance(event, bytes) else json.dumps(event).encode() for event, _ in _SOUND]
        bad = [
            *((name.encode(), value, 1) for name, (value, _) in _BAD.items()),
            *((None, b"no key", 2), (b"\xff\x00", b"key of bytes", 3)),
        ]
        mixed = [(b"good", value, 1) for value in sound]
        sends = [one for pair in zip(bad, [*mixed, *[None] * len(bad)], strict=False) for one in pair if one]
        await _send(made, sends)
        expected = sorted(row for _, rows in _SOUND for row in rows)
        what = "lead_id, event, outcome, if(outcome = 'delivered', '', reason)"
        rows = await until(lambda: made.rows(what, "outcome != 'rejected'", n=len(expected)), worker.tail)
        assert sorted(rows) == expected
        assert len(receiver.requests) == sum(row[2] == "delivered" for row in expected)
        await _assert_rejected(made, worker, bad)
        assert await worker.stop() == 0, worker.tail()


async def _assert_rejected(made: Installation, worker: WorkerProcess, bad: _Sends) -> None:
    kept = await read_topic(made.settings, made.settings.topics.events_rejected.name)
    count = len(_HEADERS)
    assert sorted((r.key or b"", r.value or b"", r.partition) for r in kept) == sorted(
        (key or b"", value or b"", partition) for key, value, partition in bad
    )
    assert {record.value is None for record in kept if record.key == b"tombstone"} == {True}
    assert {record.key for record in kept if record.value == b"no key"} == {None}
    reasons = {}
    for record in kept:
        assert list(record.headers[:count]) == _HEADERS
        told = dict(record.headers[count:])
        assert told.keys() == {"reason", "source_topic", "source_partition", "source_offset"}
        assert told["source_topic"].decode() == made.settings.topics.lead_events.name
        assert int(told["source_partition"]) == record.partition
        reasons[record.partition, int(told["source_offset"])] = told["reason"].decode()
        if (known := _BAD.get((record.key or b"").decode("utf-8", "replace"))) is not None:
            assert told["reason"].decode().startswith(known[1])
    rows = await until(
        lambda: made.rows("reason, request_partition, request_offset", "outcome = 'rejected'", n=len(bad)),
        worker.tail,
    )
    assert {(partition, offset): reason for reason, partition, offset in rows} == reasons
    assert await _metric(worker, 'postbacks_lead_events_total{result="rejected"}') == len(bad)
    told_of = [line for line in _logged(worker) if line["event"] == "lead event rejected: kept"]
    assert len(told_of) == len(bad)
    stored = await made.database.rows("SELECT partition, lower(hex(MD5(value))) FROM lead_events FINAL")
    assert {(partition, md5(value or b"").hexdigest()) for _, value, partition in bad} <= set(stored)


async def test_events_are_read_by_any_codec_and_what_unpacks_to_too_much_stops_nothing(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    codecs = ("gzip", "lz4", "snappy", "zstd")
    size = 5 * 1024 * _KIB
    async with installation(kafka, clickhouse, tmp_path) as made:
        for partition, codec in enumerate(codecs):
            before, after = (json.dumps(_event(f"{when}-{codec}")).encode() for when in ("before", "after"))
            sends = [(b"before", before), (b"much", b" " * size), (b"after", after)]
            await _send(made, [(*one, partition) for one in sends], compression_type=codec)
        worker = await made.start("join,log").ready()
        rows = await until(lambda: made.rows("lead_id, outcome", n=3 * len(codecs)), worker.tail)
        sound = [f"{when}-{codec}" for when in ("after", "before") for codec in codecs]
        assert rows == [*((lead, "skipped") for lead in sound), *[("much", "rejected")] * len(codecs)]
        kept = await read_topic(made.settings, made.settings.topics.events_rejected.name)
        assert sorted((record.partition, record.key, record.value) for record in kept) == [
            (partition, b"much", None) for partition in range(4)
        ]
        for record in kept:
            told = dict(record.headers)
            assert told["source_offset"] == b"1"
            assert told["reason"].decode() == (
                f"{size} bytes, over the limit of 262144; "
                f"too large for this topic, its {size} bytes stay at the source"
            )


_BROKEN: list[tuple[bytes, bytes, str]] = [
    (b"F-1", b"{", "not JSON: "),
    (b"F-1", b"", "not JSON: "),
    (b"F-1", b"\xff\xfe", "not UTF-8"),
    (b"F-1", b"[" * _DEEP, "nested deeper than 64"),
    (b"F-1", b'{"flow_id":"F-1","postback":{}}', "postback: unknown key; did you mean postbacks?"),
    (b"F-1", b'{"flow_id":"F-2","postbacks":{}}', "flow_id: is 'F-2', its record's key is 'F-1'"),
    (b"F-1", b'{"flow_id":"F-1","flow_id":"F-1"}', "flow_id: this key stands twice"),
    (b"F-1", b'{"flow_id":"F-1","\\ud800":1,"\\ud800":2}', ""),
    (
        b"F-1",
        b'{"flow_id":"F-1","postbacks":[{"id":"p","on":["new"],"template":"http://a.example/","delay_s":-5}]}',
        "postbacks[0].delay_s: -5 is not within",
    ),
    (
        b"F-1",
        b'{"flow_id":"F-1","postbacks":{"new":"http://{id}.example/"}}',
        "postbacks.new: ",
    ),
    (b"F-1", b'{"flow_id":"F-1"' + b" " * 1024 * _KIB + b"}", "1048593 bytes, over the limit of 1048576"),
    (b"\xff", b'{"flow_id":"\xef\xbf\xbd"}', ""),
]  # fmt: skip


async def test_a_broken_flow_config_is_named_and_the_last_good_one_stays(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    broken = "postbacks_broken_flow_configs_total"
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        await _configs(made, *_BROKEN)
        worker = await made.start().ready()
        assert await _metric(worker, broken) == len(_BROKEN) - 1
        await made.send(_event("none-yet"), partition=0)
        await until(lambda: made.rows("reason", "reason = 'no flow'", n=1), worker.tail)
        await made.apply(_flows(receiver)[0])
        await until(_at_least(worker, "postbacks_flows", 2), worker.tail)
        await _configs(made, *_BROKEN)
        await until(_at_least(worker, broken, 2 * len(_BROKEN) - 2), worker.tail)
        await made.send(_event("served"), partition=0)
        rows = await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=1), worker.tail)
        assert rows == [("served",)]
        told = [line["fault"] for line in _logged(worker) if line["event"].startswith("flow config cannot")]
        for _, _, reason in _BROKEN:
            assert sum(fault.startswith(reason) for fault in told) >= 2, reason
        await _configs(made, (b"F-1", None, ""))
        await until(lambda: _metric(worker, "postbacks_flows"), "the other flow stays")
        await _flows_are(worker, 1)
        await made.send(_event("deleted"), partition=0)
        await until(lambda: made.rows("lead_id", "lead_id = 'deleted' AND reason = 'no flow'", n=1), "")


async def _flows_are(worker: WorkerProcess, count: int) -> None:
    async def are() -> bool:
        return await _metric(worker, "postbacks_flows") == count

    await until(are, f"{count} flows: {worker.tail()}")


async def _configs(made: Installation, *records: tuple[bytes, bytes | None, str]) -> None:
    topic = made.settings.topics.flow_configs.name
    producer = AIOKafkaProducer(bootstrap_servers=made.settings.kafka, max_request_size=MAX_RECORD_BYTES)
    async with producer:
        for key, value, _ in records:
            await producer.send_and_wait(topic, value, key=key, partition=0)


def _request(receiver: Receiver, name: str, **fields: Any) -> bytes:
    made = request(f"http://127.0.0.1:{receiver.port}/{name}", request_id=name, **fields)
    origin = msgspec.structs.replace(made.origin, lead_id=name, occurred_at=4_000_000_000_000)
    return msgspec.json.encode(msgspec.structs.replace(made, origin=origin))


def _log_record(name: str) -> bytes:
    at = now_ms()  # what is older than its time to live is not stored
    return msgspec.json.encode(LogRecord(at, at, "delivered", name, Address(0, 0), "t", lead_id=name))


def _envelope(*values: bytes) -> bytes:
    return b"[" + b",".join(values) + b"]"


_NO_ENVELOPES = (b"garbage", b"{}", b"", b"\xff", b"[" * _DEEP, b"[" * _DEEP + b"]" * _DEEP)
_NO_VALUES = (
    b"5",
    b'{"request_id":"r"}',
    b'{"request_id":"\xff"}',
    b'{"request_id":"\\ud800"}',
    b'"' + b"x" * _KIB * 600 + b'"',
)


async def test_garbage_in_the_internal_topics_is_kept_and_its_neighbours_go_on(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        topics = made.settings.topics
        tier = topics.retries[0].topic.name
        bad = list(_NO_VALUES)
        between = [_request(receiver, f"r-{n}") for n in range(len(bad) + 1)]
        mixed = _envelope(*[value for pair in zip(between, bad, strict=False) for value in pair], between[-1])
        await _write(made, topics.requests.name, *_NO_ENVELOPES, None, mixed, _envelope())
        await _write(made, tier, b"no retry", _envelope(_request(receiver, "again"), b"6"), None)
        rows = _envelope(_log_record("row-1"), b'{"logged_at":"\\ud800"}', _log_record("row-2"))
        await _write(made, topics.log.name, b"no rows", None, rows)
        worker = await made.start("outbound,log").ready()
        wanted = {f"r-{n}" for n in range(len(bad) + 1)} | {"again", "row-1", "row-2"}
        found = await until(lambda: made.rows("lead_id", "outcome = 'delivered'", n=len(wanted)), worker.tail)
        assert {lead for (lead,) in found} == wanted
        assert {r.target.decode().strip("/") for r in receiver.requests} == wanted - {"row-1", "row-2"}
        records = await until(lambda: _kept(made, len(_NO_ENVELOPES) + 1 + len(bad) + 3 + 3), worker.tail)
        kept = [(r.value, dict(r.headers).get("source_index")) for r in records]
        for value in (*_NO_ENVELOPES, b"no retry", b"no rows"):
            assert (value, None) in kept
        assert kept.count((None, None)) == 2
        for index, value in enumerate(bad):
            assert (value, str(2 * index + 1).encode()) in kept
        assert (b'{"logged_at":"\\ud800"}', b"1") in kept
        assert (b"6", b"1") in kept
        assert {r.partition for r in records} == {2}
        assert await worker.stop() == 0, worker.tail()


async def _kept(made: Installation, count: int) -> list[Any]:
    records = await read_topic(made.settings, made.settings.topics.log_rejected.name)
    return records if len(records) >= count else []


async def _write(made: Installation, topic: str, *values: bytes | None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=made.settings.kafka, max_request_size=MAX_RECORD_BYTES)
    async with producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k", partition=2)


async def test_a_dry_run_sends_nothing_and_what_it_held_back_is_news_afterwards(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with installation(kafka, clickhouse, tmp_path) as made, Receiver(answer(200)) as receiver:
        link = f"http://127.0.0.1:{receiver.port}/{{id}}?t={{secret.tracker}}&key=abcdef123456&s={{status}}"
        await made.apply({"flow_id": "F-1", "postbacks": {"any": f"{link}|POST|a={{id}}"}})
        switches = {"POSTBACKS_SECRET_tracker": "S3CRET-VALUE"}
        dry = await made.start(POSTBACKS_SENDING="dry-run", **switches).ready()
        await made.send(_event("L-1"))
        what = "outcome, reason, attempt, method, url, request_body"
        [row] = await until(lambda: made.rows(what, n=1), dry.tail)
        shown = f"http://127.0.0.1:{receiver.port}/L-1?t=•••&key=•••&s=new"
        assert row == ("skipped", "dry run", 0, "POST", shown, "a=L-1")
        assert await dry.stop() == 0, dry.tail()
        assert receiver.connections == 0
        wet = await made.start(**switches).ready()
        await made.send({"event_id": "again", "lead_id": "L-1", "status": "new"})
        rows = await until(lambda: made.rows("event_id, outcome", n=2), wet.tail)
        assert sorted(rows) == [("L-1-1", "skipped"), ("again", "delivered")]
        assert [r.target for r in receiver.requests] == [b"/L-1?t=S3CRET-VALUE&key=abcdef123456&s=new"]
