"""A trace goes from a lead event's header through JOIN and OUTBOUND to the receiver, and to a collector."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.clickhouse import Database
from tests.kafka import Kafka, free_port
from tests.receivers import Receiver, answer
from tests.workers import Installation, installation, until

pytestmark = [pytest.mark.kafka, pytest.mark.chdb, pytest.mark.slow, pytest.mark.timeout(180)]

_TRACE, _ROOT_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_PARENT = f"00-{_TRACE}-{_ROOT_SPAN}-01"


@dataclass(frozen=True)
class _Span:
    """A span as the collector got it."""

    name: str
    trace: str
    span: str
    parent: str
    told: dict[str, Any]


@dataclass
class _Collector:
    port: int
    spans: list[_Span] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_span(one) for one in scope.spans]
        return web.Response()


def _span(one: Any) -> _Span:
    told = {pair.key: pair.value.string_value or pair.value.int_value for pair in one.attributes}
    return _Span(one.name, one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex(), told)


@asynccontextmanager
async def _collecting() -> AsyncIterator[_Collector]:
    collector = _Collector(free_port())
    application = web.Application()
    application.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", collector.port).start()
    try:
        yield collector
    finally:
        await runner.cleanup()


async def _send(made: Installation, lead: str, *headers: tuple[str, bytes]) -> None:
    event = {"event_id": f"e-{lead}", "lead_id": lead, "flow_id": "F-1", "status": "new"}
    topic = made.settings.topics.lead_events.name
    value = json.dumps(event).encode()
    await made.producer.send_and_wait(topic, value, key=lead.encode(), headers=list(headers))


async def test_a_trace_goes_through_both_roles_and_a_retry_to_the_receiver_and_the_collector(
    kafka: Kafka, clickhouse: Database, tmp_path: Path
) -> None:
    async with (
        _collecting() as collector,
        installation(
            kafka,
            clickhouse,
            tmp_path,
            traces=f"http://127.0.0.1:{collector.port}",
            traces_to_receivers="on",
            retry_delays="1s",
        ) as made,
        Receiver(answer(503), answer(200)) as receiver,
    ):
        postback = {"id": "p", "on": ["new"], "template": receiver.url("/?l={id}"), "retry": {"waits_s": [1]}}
        await made.apply({"flow_id": "F-1", "postbacks": [postback]})
        worker = await made.start("join,outbound,web").ready()
        await _send(made, "L-1", ("traceparent", _PARENT.encode()))
        first, second = await receiver.arrived(2, 60)
        await until(lambda: len(collector.spans) >= 3, lambda: f"{collector.spans} {worker.tail()}")

        [joined] = [one for one in collector.spans if one.name == "join lead event"]
        sends = [one for one in collector.spans if one.name == "send postback"]
        assert {one.trace for one in collector.spans} == {_TRACE}
        assert joined.parent == _ROOT_SPAN
        assert joined.told["postbacks.requests"] == 1
        assert {one.parent for one in sends} == {joined.span}
        assert [(one.told["postbacks.attempt"], one.told["http.response.status_code"]) for one in sends] == [
            (1, 503),
            (2, 200),
        ]
        for request, span in zip((first, second), sends, strict=True):
            assert request.header(b"traceparent") == f"00-{_TRACE}-{span.span}-01".encode()

        # An event without a trace makes no span and tells nothing; one by HTTP brings that of its call.
        await _send(made, "L-2")
        event = {"event_id": "e-3", "lead_id": "L-3", "flow_id": "F-1", "status": "new"}
        async with ClientSession() as client:
            link = f"http://127.0.0.1:{worker.web_port}/api/lead-events"
            async with client.post(link, json=event, headers={"traceparent": _PARENT}) as got:
                assert got.status == 202
        await receiver.arrived(4, 60)
        await until(lambda: len(collector.spans) >= 5, worker.tail)
        told = {one.target: one.header(b"traceparent") for one in receiver.requests[2:]}
        assert told[b"/?l=L-2"] is None
        assert (told[b"/?l=L-3"] or b"").startswith(f"00-{_TRACE}".encode())
        await worker.stop()  # what is left is sent
        assert len(collector.spans) == 5
        assert not any("L-1" in repr(one.told) for one in collector.spans)
