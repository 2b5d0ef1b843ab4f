"""Tracing where no collector is needed: which events are traced, and what a receiver is told."""

from __future__ import annotations

import sys

import msgspec
import pytest

from app.kit.process import StartFault
from app.kit.traces import Traces, sampled_in
from app.messages.request import Request
from app.outbound.traced import with_traceparent
from app.outbound.wire import put_together
from tests.outbound import request

_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_PARENT = f"00-{_TRACE}-{_SPAN}-01"


@pytest.mark.parametrize(
    ("told", "is_traced"),
    [
        (_PARENT, True),
        (f"00-{_TRACE}-{_SPAN}-03", True),
        (f"01-{_TRACE}-{_SPAN}-01-more", True),
        (f"00-{_TRACE}-{_SPAN}-00", False),  # its trace is not sampled
        (f"ff-{_TRACE}-{_SPAN}-01", False),
        (f"00-{'0' * 32}-{_SPAN}-01", False),
        (f"00-{_TRACE}-{'0' * 16}-01", False),
        (_PARENT.upper(), False),
        (f"{_PARENT}\r\nX: 1", False),
        ("", False),
    ],
)
def test_only_a_sound_traceparent_of_a_sampled_trace_is_continued(told: str, is_traced: bool) -> None:
    assert (sampled_in([("id", b"7"), ("traceparent", told.encode())]) == told) is is_traced
    assert sampled_in([("id", told.encode())]) is None


def test_a_header_without_a_value_is_of_no_trace() -> None:
    assert sampled_in([("traceparent", None)]) is None


def test_a_receiver_is_told_of_the_span_unless_its_postback_says_its_own() -> None:
    sent = with_traceparent(request(headers={"X": "1"}), _PARENT)
    assert dict(put_together(sent, lambda _: None, 0).headers)["traceparent"] == _PARENT
    own = request(headers={"Traceparent": "mine"})
    assert with_traceparent(own, _PARENT) is own


def test_a_request_of_an_older_version_is_read_and_one_without_a_trace_says_nothing_of_it() -> None:
    encoded = msgspec.json.encode(request())
    assert b"traceparent" not in encoded
    assert msgspec.json.decode(encoded, type=Request).traceparent is None


def test_without_the_extra_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(StartFault, match=r"POSTBACKS_TRACES needs OpenTelemetry .*extra otel"):
        Traces("http://127.0.0.1:4318", "w")
