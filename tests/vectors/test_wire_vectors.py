"""Every conformance vector that can be sent, as bytes at a raw socket behind the courier."""

from __future__ import annotations

import json

from app.kit.secrets import Secrets
from app.leads.events import LeadEvent, decode
from app.leads.fold import preview_lead
from app.messages.request import Delivery, Request
from app.outbound.answers import Answer
from app.outbound.courier import Courier
from app.templates.facts import Facts
from app.templates.program import compile_template
from tests.outbound import ORIGIN
from tests.wire import Stand, Vector, differences, vectors

_VECTORS = list(vectors())


def rendered(vector: Vector) -> Request:
    event = decode(json.dumps(vector.event).encode(), need_ids=False)
    assert isinstance(event, LeadEvent)
    program = compile_template(
        vector.template, vector.headers, omit_empty=bool(vector.given.get("omit_empty"))
    )
    rendered = program.render(
        Facts(
            preview_lead(event),
            now_ms=vector.now_ms,
            time_ms=event.occurred_ms(),
            event=event.status or ("goal" if isinstance(event.goal, str) else None),
            event_id=event.event_id,
            params=vector.given.get("params", {}),
            secret=vector.secrets.get,
        )
    )
    return Request(
        request_id=vector.name,
        method=rendered.method,
        host=program.host,
        link=rendered.link,
        headers=rendered.headers,
        body=rendered.body,
        origin=ORIGIN,
        due_at=0,
        delivery=Delivery(timeout_s=10.0),
    )


def _secrets(vector: Vector) -> Secrets:
    return Secrets({f"POSTBACKS_SECRET_{name}": value for name, value in vector.secrets.items()})


async def test_every_vector_arrives_byte_for_byte() -> None:
    assert len(_VECTORS) > 100
    wrong: dict[str, object] = {}
    async with Stand([vector.url for vector in _VECTORS]) as stand:
        for vector in _VECTORS:
            secrets, request = _secrets(vector), rendered(vector)
            async with Courier(secrets, stand.open_socket, tls=stand.tls, resolver=stand.resolver) as courier:
                before = {id(seen) for seen in stand.received}
                outcome = await courier.send(request)
                arrived = [seen for seen in stand.received if id(seen) not in before]
            if not isinstance(outcome, Answer) or len(arrived) != 1:
                wrong[vector.name] = outcome
            elif told := differences(vector, arrived[0]):
                wrong[vector.name] = told
    assert wrong == {}


async def test_a_wrong_byte_anywhere_is_seen() -> None:
    vector = next(one for one in _VECTORS if one.expect["body"] and "headers" not in one.expect)
    async with Stand([vector.url]) as stand:
        request = rendered(vector)
        async with Courier(
            _secrets(vector), stand.open_socket, tls=stand.tls, resolver=stand.resolver
        ) as courier:
            await courier.send(request)
        [arrived] = stand.received
    assert differences(vector, arrived) == []
    for change in ({"url": vector.url + "x"}, {"body": "x"}, {"content_type": "x"}, {"headers": {"X": "y"}}):
        assert differences(Vector(vector.name, vector.given, {**vector.expect, **change}), arrived) != []
