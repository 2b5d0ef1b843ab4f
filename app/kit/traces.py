"""Spans of what a traced lead event goes through, sent by OTLP over HTTP (OpenTelemetry, the extra `otel`).

A trace begins with the producer, who puts `traceparent` (https://www.w3.org/TR/trace-context/) into the
record's headers; one without it, or whose trace is not sampled, makes no span. Where tracing is off there is
no `Traces`, and OpenTelemetry is not imported.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from app.kit.process import StartFault

HEADER = "traceparent"
_EXPORT_S = 5
_sampled = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf](-.*)?"
)


def sampled_in(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """The `traceparent` of a record's headers; None where there is none of a sampled trace."""
    for name, value in headers:
        if name == HEADER:
            told = (value or b"").decode("latin-1")  # Kafka allows a header without a value
            return told if _sampled.fullmatch(told) else None
    return None


class Span:
    """A span that has begun; `traceparent` is what its children are given."""

    def __init__(self, span: Any, traceparent: str) -> None:
        self._span = span
        self.traceparent = traceparent

    def end(self, attributes: Mapping[str, str | int | float], *, fault: str = "") -> None:
        """End it now; with a `fault` it is one of what went wrong."""
        self._span.set_attributes(attributes)
        if fault:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, fault))
        self._span.end()


class Traces:
    """Makes spans and sends them to a collector, from a thread of the library's; what it cannot take is lost.

    `collector` is its address, such as `http://collector:4318`. Raises `StartFault` without the extra.
    """

    def __init__(self, collector: str, worker: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise StartFault(
                f"POSTBACKS_TRACES needs OpenTelemetry ({error}): install postbacks with the extra otel"
            ) from None
        resource = Resource.create({"service.name": "postbacks", "service.instance.id": worker})
        exporter = OTLPSpanExporter(endpoint=f"{collector.rstrip('/')}/v1/traces", timeout=_EXPORT_S)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
        self._tracer = self._provider.get_tracer("postbacks")
        self._propagator = TraceContextTextMapPropagator()

    def begin(
        self, name: str, kind: Literal["CONSUMER", "CLIENT"], parent: str, begun_ns: int | None = None
    ) -> Span:
        """Begin a span under a `traceparent`, now or at Unix nanoseconds."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        context = self._propagator.extract({HEADER: parent})
        span = self._tracer.start_span(name, context, SpanKind[kind], start_time=begun_ns)
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return Span(span, carrier[HEADER])

    async def close(self) -> None:
        """Send what is left; it may take some seconds where the collector is away."""
        await asyncio.to_thread(self._provider.shutdown)
