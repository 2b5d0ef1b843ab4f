"""The span of a lead event in JOIN, which is what the requests made of it continue."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from app.join.build import Effects, Source
from app.kit.traces import Traces, sampled_in


def trace(
    traces: Traces, source: Source, headers: Sequence[tuple[str, bytes]], effects: Effects, begun_ns: int
) -> None:
    """Tell of an event that is traced, and mark the requests among its effects."""
    parent = sampled_in(headers)
    if parent is None:
        return
    span = traces.begin("join lead event", "CONSUMER", parent, begun_ns)
    effects.requests = [structs.replace(one, traceparent=span.traceparent) for one in effects.requests]
    told: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.destination.name": source.topic,
        "messaging.destination.partition.id": str(source.partition),
        "messaging.kafka.offset": source.offset,
        "postbacks.result": effects.result,
        "postbacks.requests": len(effects.requests),
        "postbacks.skips": sum(record.outcome == "skipped" for record in effects.records),
    }
    span.end(told, fault="rejected" if effects.rejected else "")
