"""Google Analytics 4's Measurement Protocol: 204 to everything, and what is wrong only at /debug.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/sending-events, /reference and
/validating-events. `counted` is what would be in the reports, `thrown` what was answered 204 and is not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.contracts import checks
from tests.contracts.checks import Wrong
from tests.contracts.vendor import Answer, Asked

SECRET = "ga4SecretOfTheStream_1"
STREAM = "G-ABCDE12345"
OLDEST_S = 72 * 3600
MICROS = 1_000_000
_BODY = ("client_id", "user_id", "timestamp_micros", "user_properties", "consent", "events")


class GoogleAnalytics:
    """A stream of a property."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.counted: list[Mapping[str, Any]] = []
        self.thrown: list[str] = []
        self.repeats: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        """Take a request."""
        debug = asked.path == "/debug/mp/collect"
        if asked.method != "POST" or not (debug or asked.path == "/mp/collect"):
            return Answer(404, "")
        try:
            event = _checked(asked.json, self.now())
        except Wrong as wrong:
            if debug:
                return Answer(200, {"validationMessages": [_message(wrong)]})
            self.thrown.append(str(wrong))
            return Answer(204)
        if debug:  # checks neither of the two below
            return Answer(200, {"validationMessages": []})
        key = event["params"].get("transaction_id")
        if asked.query.get("api_secret") != SECRET or asked.query.get("measurement_id") != STREAM:
            self.thrown.append("api_secret")
        elif key is not None and key in [one["params"].get("transaction_id") for one in self.counted]:
            self.repeats.append(key)
        else:
            self.counted.append(event)
        return Answer(204)


def _checked(told: Any, now: float) -> Mapping[str, Any]:
    body = checks.members(told, "body")
    if unknown := body.keys() - {*_BODY}:
        raise Wrong(sorted(unknown)[0], "is not a field")
    checks.text(body, "client_id")
    if "timestamp_micros" in body:
        checks.moment(body, "timestamp_micros", now, OLDEST_S, MICROS)
    for name in checks.members(body["consent"], "consent") if "consent" in body else ():
        checks.text(body["consent"], name, "GRANTED|DENIED")
    event = checks.one_of_a_list(body.get("events"), "events")
    checks.text(event, "name", "[A-Za-z][A-Za-z0-9_]{0,39}")
    _check_params(event["name"], checks.members(event.get("params", {}), "params"))
    return event


def _check_params(name: str, params: Mapping[str, Any]) -> None:
    if len(params) > 25:
        raise Wrong("params", "are over 25")
    for key, value in params.items():
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,39}", key):
            raise Wrong(key, "is no name")
        if key != "items" and isinstance(value, dict | list):
            raise Wrong(key, "must be a text or a number")
        if isinstance(value, str) and len(value) > 100:
            raise Wrong(key, "is longer than 100 characters")
    if "value" in params:
        checks.currency(params)
        checks.amount(params, "value")
    if name == "purchase":
        checks.text(params, "transaction_id")
        checks.amount(params, "value")
        for item in params.get("items") or [{}]:
            checks.text(item, "item_id")


def _message(wrong: Wrong) -> dict[str, str]:
    return {"fieldPath": wrong.place, "description": str(wrong), "validationCode": "VALUE_INVALID"}
