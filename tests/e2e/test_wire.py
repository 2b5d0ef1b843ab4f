"""The vectors as bytes at a raw socket behind OUTBOUND, and the seed's examples through all roles."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import msgspec
import pytest
import trustme
from aiokafka import AIOKafkaProducer

from app.kit.secrets import Secrets
from app.messages.request import Request
from app.outbound.agent import Outbound
from app.outbound.courier import Courier
from app.stream.faust_app import new_app
from app.stream.kafka import new_producer
from app.stream.migrate import migrate_topics
from app.templates.text import Slot, Text
from tests.clickhouse import Database
from tests.kafka import Kafka
from tests.kafka_settings import settings_for
from tests.receivers import Receiver, answer
from tests.vectors.test_wire_vectors import rendered
from tests.wire import Stand, Vector, differences, vectors
from tests.workers import installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

_VECTORS = list(vectors())


def _apart(text: Text | None, mark: str) -> Text | None:
    """The text with its secrets named apart from other vectors' secrets of the same name."""
    if text is None or isinstance(text, str):
        return text
    return [
        msgspec.structs.replace(part, secret=part.secret + mark) if isinstance(part, Slot) else part
        for part in text
    ]


def _request(index: int, vector: Vector) -> Request:
    request = rendered(vector)
    mark = f"_{index}"
    headers = {name: _apart(text, mark) or "" for name, text in request.headers.items()}
    return msgspec.structs.replace(
        request,
        request_id=f"{index:032x}",
        link=_apart(request.link, mark) or "",
        headers={**headers, "X-Vector": str(index)},
        body=_apart(request.body, mark),
        origin=msgspec.structs.replace(request.origin, occurred_at=2**41),
    )


def _secrets() -> Secrets:
    return Secrets(
        {
            f"POSTBACKS_SECRET_{name}_{index}": value
            for index, vector in enumerate(_VECTORS)
            for name, value in vector.secrets.items()
        }
    )


async def test_every_vector_arrives_byte_for_byte_behind_outbound(kafka: Kafka, tmp_path: Path) -> None:
    settings = settings_for(kafka, tmp_path)
    await migrate_topics(settings)
    producer = new_producer(settings)
    await producer.start()
    secrets = _secrets()
    async with Stand([vector.url for vector in _VECTORS]) as stand:
        courier = Courier(secrets, stand.open_socket, tls=stand.tls, resolver=stand.resolver)
        role = Outbound(settings, new_app(settings, "outbound", tmp_path), producer, secrets, courier)
        await _produce(producer, settings.topics.requests.name)
        stopping = asyncio.Event()
        tasks = [
            asyncio.create_task(role.app.start()),
            *(asyncio.create_task(job) for job in role.jobs(stopping)),
        ]
        try:
            await until(lambda: len(stand.received) == len(_VECTORS), "every vector at its receiver")
        finally:
            stopping.set()
            await role.app.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await producer.stop()
        wrong = {}
        for seen in stand.received:
            index = int(seen.header(b"X-Vector") or b"-1")
            vector = _VECTORS[index]
            marked = {
                **vector.expect,
                "headers": {**vector.expect.get("headers", {}), "X-Vector": str(index)},
            }
            if told := differences(Vector(vector.name, vector.given, marked), seen):
                wrong[vector.name] = told
    assert len(_VECTORS) > 100
    assert wrong == {}


async def _produce(producer: AIOKafkaProducer, topic: str) -> None:
    """Requests as JOIN writes them: envelopes, four partitions."""
    for index in range(0, len(_VECTORS), 20):
        requests = [_request(i, v) for i, v in enumerate(_VECTORS[index : index + 20], start=index)]
        await producer.send_and_wait(
            topic, msgspec.json.encode(requests), key=b"L", partition=index // 20 % 4
        )


_FACEBOOK = (
    "https://graph.facebook.com/v18.0/PIXEL/events|POST|access_token=TOKEN&data=["
    '{"action_source":"website","event_name":"Lead","event_time":{now},"user_data":{"external_id":"{id}",'
    '"client_ip_address":"{ip}","client_user_agent":"{ua}","fbc":"fb.1.{now}.{adid}","fbp":"fb.1.{now}.{id}"}}]'
)
_SEED = {
    "new": [
        _FACEBOOK,
        "https://domain.com/api/wm/push.json?id=TOKEN&offer=1&flow=2&name={name}&phone={phone}&ip={ip} "
        "&country={geo}&sub1={click}",
        "https://track.er/postback?code=abc|POST|click={click}&name={name}",
        'https://track.er/postback|JSON|{"foo":"bar","click":"{click}"}',
    ]
}
_LEAD = {
    "event_id": "e-1",
    "lead_id": "L-1001",
    "flow_id": "F-7",
    "status": "new",
    "occurred_at": "2026-11-23T15:00:00Z",
    "click": {"id": "c-9", "ip": "203.0.113.7", "ua": "Mozilla/5.0 (X11; Linux)", "geo": "UA"},
    "tags": {"adid": "AD_7"},
    "customer": {"name": "Olha Ko", "phone": "+38 (050) 123-45-67"},
}
_ARRIVES = {
    (
        b"POST /v18.0/PIXEL/events HTTP/1.1",
        b"graph.facebook.com",
        b"access_token=TOKEN&data=%5B%7B%22action_source%22%3A%22website%22%2C%22event_name%22%3A%22Lead%22%2C"
        b"%22event_time%22%3ANOW%2C%22user_data%22%3A%7B%22external_id%22%3A%22L-1001%22%2C"
        b"%22client_ip_address%22%3A%22203.0.113.7%22%2C%22client_user_agent%22%3A"
        b"%22Mozilla%2F5.0%20%28X11%3B%20Linux%29%22%2C%22fbc%22%3A%22fb.1.NOW.AD_7%22%2C"
        b"%22fbp%22%3A%22fb.1.NOW.L-1001%22%7D%7D%5D",
    ),
    (
        b"GET /api/wm/push.json?id=TOKEN&offer=1&flow=2&name=Olha%20Ko&phone=%2B38%20%28050%29%20123-45-67"
        b"&ip=203.0.113.7&country=UA&sub1=c-9 HTTP/1.1",
        b"domain.com",
        b"",
    ),
    (b"POST /postback?code=abc HTTP/1.1", b"track.er", b"click=c-9&name=Olha%20Ko"),
    (b"POST /postback HTTP/1.1", b"track.er", b'{"foo":"bar","click":"c-9"}'),
}


def _without_now(body: bytes) -> bytes:
    """The body with the second of its rendering, which must be the same in all three places, as NOW."""
    found = re.search(rb"event_time%22%3A([0-9]{10})", body)
    return body.replace(found[1], b"NOW") if found else body


@pytest.mark.chdb
async def test_the_seeds_four_examples_arrive_as_they_should(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("graph.facebook.com", "domain.com", "track.er").configure_cert(server)
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    async with (
        installation(kafka, clickhouse, tmp_path) as made,
        Receiver(answer(200, b"OK"), tls=server) as receiver,
    ):
        await made.apply({"flow_id": "F-7", "name": "The seed", "postbacks": _SEED})
        worker = await made.start(TEST_RESOLVE=f"{receiver.port}:{pem}").ready()
        await made.send(_LEAD)
        rows = await until(lambda: made.rows("outcome, reason, url, request_body", n=4), worker.tail())
        assert {row[0] for row in rows} == {"delivered"}, rows
        arrived = {(seen.line, seen.header(b"Host"), _without_now(seen.body)) for seen in receiver.requests}
        assert arrived == _ARRIVES
        assert sum("access_token=•••" in body for _, _, _, body in rows) == 1, rows
