"""CPU µs of one lead event in JOIN, from its bytes to the bytes of its request, and where they go.

.venv/bin/python -m tests.bench.join_cost
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.flows.config import parse
from app.flows.decide import decide
from app.join.build import Source, Terms, join
from app.leads.events import LeadEvent, decode
from app.leads.fold import Change, fold
from app.leads.lead import Lead, decode_lead, encode_lead
from app.outbound.incoming import read_request
from tests.bench import leads_made
from tests.bench.least import cpu_us, table

COUNT = 10_000
_encode = msgspec.json.Encoder().encode


def source(number: int, value: bytes) -> Source:
    """The record of an event."""
    return Source("postbacks.lead-events", number % 12, number, leads_made.BEGIN_MS + number, b"L", value)


def second(event: dict[str, object], number: int) -> bytes:
    """An approve that brings a price alone."""
    told = {key: event[key] for key in ("lead_id", "flow_id", "occurred_at")}
    return leads_made.value({**told, "event_id": f"01JE{number:022d}", "status": "approve", "price": 12.5})


def _nobody(_: str) -> Lead | None:
    return None


def main() -> None:
    """Print the table."""
    flow = parse(leads_made.flow(), version=3)
    flows = {flow.flow_id: flow}
    random = "0123456789abcdef"
    terms = Terms(flows.get, lambda _: None, lambda: random, 5.0, 90 * 86_400_000, "w1")
    now_ms = leads_made.BEGIN_MS + 50
    events = [leads_made.event(number) for number in range(COUNT)]
    first = [source(number, leads_made.value(event)) for number, event in enumerate(events)]
    later = [source(number, second(event, number)) for number, event in enumerate(events)]
    made = [join(one, _nobody, terms, now_ms) for one in first]
    stored = {effects.lead.lead_id: encode_lead(effects.lead) for effects in made if effects.lead}
    decoded = [event for one in first if isinstance(event := decode(one.value), LeadEvent)]
    folding = [(one, event) for one, event in zip(first, decoded, strict=True)]

    def folded(told: tuple[Source, LeadEvent]) -> object:
        return fold(None, told[1], timestamp_ms=told[0].timestamp_ms, late_s=5.0, ttl_ms=terms.ttl_ms)

    def lead_of(lead_id: str) -> Lead | None:
        return decode_lead(stored[lead_id])

    def whole(source: Source, lead_of: Callable[[str], Lead | None]) -> None:
        effects = join(source, lead_of, terms, now_ms)
        assert effects.lead is not None
        encode_lead(effects.lead)
        for request in effects.requests:
            _encode(request)

    changes = [change for one in folding if isinstance(change := folded(one), Change)]
    requests = [_encode(effects.requests[0]) for effects in made]
    print(f"event {len(first[0].value or b'')} bytes, lead {len(stored['L-0'])}, request {len(requests[0])}")
    rows = [
        ("a lead's first event: join, encode all", cpu_us(lambda one: whole(one, _nobody), first)),
        ("a later event: decode lead, join, encode all", cpu_us(lambda one: whole(one, lead_of), later)),
        ("  decode the event", cpu_us(lambda one: decode(one.value), first)),
        ("  decode a short event", cpu_us(lambda one: decode(one.value), later)),
        ("  decode the lead", cpu_us(decode_lead, list(stored.values()))),
        ("  fold", cpu_us(folded, folding)),
        ("  decide", cpu_us(lambda change: decide(change, flows.get), changes)),
        ("  encode the lead", cpu_us(encode_lead, [effects.lead for effects in made if effects.lead])),
        ("  encode the request", cpu_us(lambda effects: _encode(effects.requests[0]), made)),
        ("OUTBOUND: read the request", cpu_us(read_request, requests)),
    ]
    print(table(rows))


if __name__ == "__main__":
    main()
