"""Meta's Conversions API as it documents it, and refuses as its users recorded it.

https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters says which fields are
required and which are hashed. The bodies of refusals: 2804003 (too old), 2804019 (a field), 2804050 (nobody
to match), 33 (no such pixel), 190 (token), 17 (limit) are recorded ones; other fields are refused as 2804019.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.contracts import checks
from tests.contracts.checks import Counted, Wrong
from tests.contracts.vendor import Answer, Asked

TOKEN = "EAAGm0PX4ZCpsBAKZBtokenZCofMeta123"
BUSY, FORGETFUL = "170017001700", "503503503503"
OLDEST_S = 7 * 86_400
SOURCES = (
    "email", "website", "app", "phone_call", "chat", "physical_store", "system_generated",
    "business_messaging", "other",
)  # fmt: skip
_HASHED = ("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "external_id")
_PLAIN = ("client_ip_address", "client_user_agent", "fbc", "fbp")


class Meta:
    """A data set and those that Meta knows. Events are counted by name and id."""

    def __init__(
        self, pixels: tuple[str, ...], known: Mapping[str, str], now: Callable[[], float] = time.time
    ) -> None:
        self.pixels, self.known, self.now = (*pixels, BUSY, FORGETFUL), known, now
        self.counted = Counted()

    def __call__(self, asked: Asked) -> Answer:
        """Take one event."""
        token, pixel = asked.query.get("access_token"), asked.path.removeprefix("/v26.0/").partition("/")[0]
        if token != TOKEN:
            return _refused(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if asked.method != "POST" or asked.path != f"/v26.0/{pixel}/events" or pixel not in self.pixels:
            why = f"Unsupported post request. Object with ID '{pixel}' does not exist"
            return _refused(400, 100, why, 33, "GraphMethodException")
        if pixel == BUSY:
            return _refused(400, 17, "User request limit reached")
        try:
            key = self._take(asked.json)
        except Wrong as wrong:
            too_old = wrong.place == "event_time" and "past" in str(wrong)
            subcode = 2804003 if too_old else 2804050 if wrong.place == "user_data" else 2804019
            return _refused(400, 100, "Invalid parameter", subcode, user=str(wrong))
        if pixel == FORGETFUL and key not in self.counted.repeats:
            return _refused(500, 2, "Service temporarily unavailable", transient=True)
        return Answer(200, {"events_received": 1, "messages": [], "fbtrace_id": "A1"})

    def _take(self, told: Any) -> tuple[str, str]:
        body = checks.members(told, "body")
        if unknown := body.keys() - {"data", "test_event_code"}:
            raise Wrong(sorted(unknown)[0], "is not a parameter")
        event = checks.one_of_a_list(body.get("data"), "data")
        key = checks.text(event, "event_name"), checks.text(event, "event_id")
        checks.moment(event, "event_time", self.now(), OLDEST_S)
        user = checks.members(event.get("user_data"), "user_data")
        matched = [name for name in _HASHED if checks.digests(user, name, self.known)]
        _check_user(user)
        _check_source(event, user)
        _check_custom(event)
        self.counted.take(key, event, matched)
        return key


def _check_user(user: Mapping[str, Any]) -> None:
    if (
        not user.keys() & {*_HASHED, "fbc", "fbp"}
        and not {"client_ip_address", "client_user_agent"} <= user.keys()
    ):
        raise Wrong("user_data", "identifies nobody")
    if unknown := user.keys() - {*_HASHED, *_PLAIN}:
        raise Wrong(sorted(unknown)[0], "is not a parameter")
    checks.address(user, "client_ip_address")
    checks.optional(user, "fbc", r"fb\.[0-9]\.[0-9]{13}\.\S+")
    checks.optional(user, "fbp", r"fb\.[0-9]\.[0-9]{13}\.[0-9]+")


def _check_source(event: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    if event.get("action_source") not in SOURCES:
        raise Wrong("action_source", "is required and one of the list")
    if event["action_source"] == "website":
        checks.text(user, "client_user_agent")
        checks.text(event, "event_source_url", r"https?://\S+")


def _check_custom(event: Mapping[str, Any]) -> None:
    custom = checks.members(event["custom_data"], "custom_data") if "custom_data" in event else {}
    if "currency" in custom or event["event_name"] == "Purchase":
        checks.currency(custom)
    if "value" in custom or event["event_name"] == "Purchase":
        checks.amount(custom, "value")


def _refused(
    status: int, code: int, message: str, subcode: int = 0, kind: str = "OAuthException", *,
    user: str = "", transient: bool = False,
) -> Answer:  # fmt: skip
    error = {"message": message, "type": kind, "code": code, "is_transient": transient, "fbtrace_id": "A1"}
    if subcode:
        error["error_subcode"] = subcode
    if user:
        error["error_user_msg"] = user
    return Answer(status, {"error": error})
